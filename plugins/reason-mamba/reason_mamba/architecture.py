"""The architecture `mamba`: options, presets, counts. Torch comes in only when a model is built or loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reason_cli import Architecture, ArchitectureOptions, Estimate, Load, option
from reason_mamba.cost import FLOAT32, ROUNDED, Layer, model_estimate, word

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from reason_cli import Graph

CHUNK = 32  # steps between the states that the scan keeps for its backward pass


@dataclass(frozen=True)
class MambaOptions(ArchitectureOptions):
    """The shape of a Mamba. `vocab_size` is the tokenizer's."""

    d_model: int = option(384, "width of the residual stream", minimum=1)
    n_layer: int = option(6, "number of blocks", minimum=1)
    d_state: int = option(16, "states per channel", minimum=1)
    d_conv: int = option(4, "width of the causal convolution", minimum=1)
    expand: int = option(2, "d_inner is expand times d_model", minimum=1)
    dt_rank: int = option(0, "rank of the step size's projection; 0: d_model / 16, rounded up", minimum=0)
    dropout: float = option(0.1, "dropout on each block's output, in training", minimum=0.0, maximum=0.9)
    scan: str = option("auto", "engine of the selective scan", choices=("auto", "cuda", "cpu", "torch"))

    @property
    def d_inner(self) -> int:
        return self.expand * self.d_model

    @property
    def time_step_rank(self) -> int:
        return self.dt_rank or ceil(self.d_model / 16)


def _sizes(**shapes: tuple[int, int]) -> dict[str, MambaOptions]:
    return {
        name.replace("_", "-"): MambaOptions(d_model=d_model, n_layer=n_layer)
        for name, (d_model, n_layer) in shapes.items()
    }


PRESETS = _sizes(
    small=(384, 6),
    medium_lite=(512, 8),
    medium_plus=(640, 9),
    medium_x=(704, 10),
    medium=(768, 12),
    medium_extra=(832, 13),
    large_lite=(896, 14),
    large_plus=(960, 15),
    large=(1024, 16),
    xlarge=(1280, 20),
    xxlarge=(1536, 24),
)


class Mamba(Architecture):
    """Mamba trained from scratch; its checkpoints are stock `transformers.MambaForCausalLM` folders."""

    name = "mamba"
    help = "a selective state space model (arXiv 2312.00752), linear in length, constant memory per generated token"
    model_type = "mamba"
    packs = True
    Options = MambaOptions
    presets: ClassVar[Mapping[str, MambaOptions]] = PRESETS

    def tokenizer(self, options: MambaOptions) -> str:
        """GPT-2's, of 50,257 tokens."""
        return "openai-community/gpt2"

    def classes(self) -> tuple[Any, Any]:
        """The config and the model."""
        from transformers import MambaConfig

        from reason_mamba.model import MambaForCausalLM

        return MambaConfig, MambaForCausalLM

    def shape(self, options: Any) -> dict[str, Any]:
        """What the config holds of an architecture that builds on this one."""
        return {}

    def build(self, options: MambaOptions, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
        """A new model in float32. Raises `ReasonError` when a forced scan engine cannot run."""
        make_config, make_model = self.classes()
        config = make_config(
            vocab_size=len(tokenizer),
            hidden_size=options.d_model,
            num_hidden_layers=options.n_layer,
            state_size=options.d_state,
            conv_kernel=options.d_conv,
            expand=options.expand,
            time_step_rank=options.time_step_rank,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            **self.shape(options),
        )
        config.dropout = options.dropout
        model = make_model(config)
        model.set_scan_engine(options.scan)
        return model

    def load(self, path: Path, options: MambaOptions) -> PreTrainedModel:
        """The model of a folder, its scan engine as the options say."""
        _, model_class = self.classes()
        model = model_class.from_pretrained(path)
        model.set_scan_engine(options.scan)
        return model

    def graph(self, model: PreTrainedModel, loop: str) -> Graph:
        """The model as a graph of tensors, its state two of them."""
        from reason_mamba.graph import MambaGraph

        return MambaGraph(model, loop)  # type: ignore[arg-type, return-value]

    def describe(self, model: PreTrainedModel) -> dict[str, str]:
        """The scan engine in use."""
        engine: Any = model.scan_engine
        return {"scan": f"{engine.name} ({engine.description})"}

    def estimate(self, options: MambaOptions, load: Load) -> Estimate:
        """The exact parameter count, the operations of products, convolution and scan, and memory by part."""
        return model_estimate(mamba_layer(options, load), options.n_layer, options.d_model, load)


def mamba_layer(options: MambaOptions, load: Load) -> Layer:
    """What one block costs: norm, mixer, dropout."""
    d, tokens = options.d_model, load.micro_batch_size * load.length
    mixer = mixer_layer(options, load)
    dropped = word(load) * tokens * d if options.dropout else 0  # what dropout left, gone before the scan goes backward
    return replace(
        mixer,
        parameters=mixer.parameters + d,
        kept=mixer.kept + FLOAT32 * tokens * (2 * d + 1) + dropped,  # input; that normalised, and by how much
        working=max(0, mixer.working - dropped),
    )


def mixer_layer(options: MambaOptions, load: Load) -> Layer:
    """What the selective state space layer of a block costs, its scan computed by a fused engine."""
    d, e, r, n, k = options.d_model, options.d_inner, options.time_step_rank, options.d_state, options.d_conv
    matrices = d * 2 * e + e * (r + 2 * n) + r * e + e * d  # in_proj, x_proj, dt_proj, out_proj
    vectors = e * k + e + e + e * n + e  # conv1d and its bias, dt_proj's bias, A_log, D
    # A state's step is seven operations: dt A, its exponential, times the state, dt u times B, their sum, times C, sum.
    flops = 2 * matrices + 2 * e * k + 7 * e * n
    rows, tokens, size = load.micro_batch_size, load.micro_batch_size * load.length, word(load)
    products = d + 5 * e + r + 2 * n  # the input; x, z, conv1d's output, delta, y; dt, B, C
    copies = 2 * n if size < FLOAT32 else 0  # B and C in float32, as the scan wants them
    borders = rows * (ceil(load.length / CHUNK) + 1) * n * e
    constants = 2 * n * e + k * e  # A twice, the convolution's taps
    return Layer(
        parameters=matrices + vectors,
        flops=flops,
        kept=tokens * (FLOAT32 * copies + size * products) + FLOAT32 * (borders + constants),
        rounded=ROUNDED * matrices if size < FLOAT32 else 0,
        # Most is added while the scan goes backward: gradients of the residual stream, of y, x, delta and z, of B and
        # C. y itself is gone by then.
        working=tokens * (FLOAT32 * (d + 2 * n) + size * 3 * e),
    )
