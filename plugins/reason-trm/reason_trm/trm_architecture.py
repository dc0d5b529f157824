"""The architecture `trm`: options, presets, counts. Torch comes in only when a model is built or loaded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reason_qlora.architecture import QLoraOptions

from reason_cli import Architecture, Estimate, Graph, Load, ReasonError, option
from reason_trm.trm_cost import trm_estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ADAPTER = ("r", "lora_alpha", "lora_dropout", "target_modules", "train_embeddings")


@dataclass(frozen=True)
class TRMOptions(QLoraOptions):
    """The base and how it is trained; the latents, and how often they are refined."""

    tune: str = option(
        "lora", "what is trained of the base: nothing, a LoRA, or all of it", choices=("frozen", "lora", "full")
    )
    use_trm: bool = option(True, "without it there is the base alone, trained in the same way: what to compare with")
    trigger: str = option("<think>", "the text is thought about before this token, which the tokenizer gets if need be")
    num_latents: int = option(256, "latents that every later token sees", minimum=1)
    d_latent: int = option(512, "width of the latents and their network", minimum=1)
    n_layer: int = option(2, "layers of the network", minimum=1)
    n_head: int = option(8, "heads of its attention", minimum=1)
    mlp_expand: float = option(4.0, "inner width of its gated MLP over d_latent", minimum=0.01)
    n_latent_steps: int = option(4, "updates of the latent state z before one of the answer y", minimum=1)
    n_deep_recursions: int = option(2, "of those together in a supervision step; the last has gradients", minimum=1)
    n_supervision_steps: int = option(4, "answers in a row, each with its loss", minimum=1)
    steps_at_test: int = option(0, "supervision steps outside of training; 0: as many as in training", minimum=0)
    draft: float = option(
        1.0,
        "weight of the loss of what y says by itself of the answer, a token for each of the question's; 0: nothing",
        minimum=0.0,
    )
    hints: float = option(
        0.0,
        "share of rows whose latents, in training, are told a random part of the answer in place of the question's "
        "tokens: for answers that are written over it, such as grids",
        minimum=0.0,
        maximum=1.0,
    )
    halting: bool = option(False, "a head learns whether what follows will be right")
    halt_at_test: bool = option(False, "outside of training, keep latents that the head holds to be right")

    def __post_init__(self) -> None:
        """Raises `ReasonError` for options that do not go together."""
        if self.d_latent % self.n_head:
            problem = f"d_latent {self.d_latent} is no multiple of n_head {self.n_head}"
            raise ReasonError(problem, "set one to fit", usage=True)
        if self.tune == "frozen" and not self.use_trm:
            problem = "model.tune is frozen and model.use_trm false: nothing would be trained"
            raise ReasonError(problem, "set model.tune to lora or full", usage=True)
        if self.tune == "full" and self.quantization in ("nf4", "int8"):
            problem = f"model.tune full trains the base, which model.quantization {self.quantization} freezes"
            raise ReasonError(problem, "set model.tune to lora", usage=True)
        if self.halt_at_test and not self.halting:
            raise ReasonError("model.halt_at_test needs model.halting", "set both", usage=True)

    @property
    def held(self) -> QLoraOptions:
        """How the base is held: whole where all of it is trained."""
        whole: Any = {"quantization": "none", "dtype": "fp32"}
        return replace(self, **whole) if self.tune == "full" else self

    @property
    def d_inner(self) -> int:
        """Inner width of the MLP."""
        return max(1, round(self.mlp_expand * self.d_latent))


class TRM(Architecture):
    """The tiny recursive reasoner on a causal language model."""

    name = "trm"
    help = (
        "a Hugging Face causal model that refines latents of the question before it answers (arXiv 2510.04871); "
        "name it with --set model.base="
    )
    model_type = "reason_trm"
    adapts = True
    Options = TRMOptions
    presets: ClassVar[Mapping[str, TRMOptions]] = {
        "trm-smollm3-3b": TRMOptions(base="HuggingFaceTB/SmolLM3-3B", max_seq_len=1024),
    }

    def tokenizer(self, options: TRMOptions) -> str:
        """The base's."""
        if not options.base:
            raise ReasonError(
                "model.base is not set", "name a causal language model with --set model.base=OWNER/NAME", usage=True
            )
        return options.base

    def tokens(self, options: TRMOptions) -> tuple[str, ...]:
        """What sets off the thinking."""
        return (options.trigger,)

    def vocab_size(self, options: TRMOptions) -> int:
        """The base's."""
        from reason_qlora.census import config_of

        return int(config_of(self.tokenizer(options)).vocab_size)

    def build(self, options: TRMOptions, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
        """The base with a new thinker, whose parameters are trained in float32.

        Raises `ReasonError` for a base that cannot be had or held as asked, and for a trigger of several tokens.
        """
        from reason_qlora.base import load_base

        from reason_trm.trm_files import config_for, put_together, tuned

        trigger = tokenizer(options.trigger, add_special_tokens=False)["input_ids"]
        if len(trigger) != 1:
            problem = f"model.trigger {options.trigger!r} is {len(trigger)} tokens of this tokenizer, not one"
            raise ReasonError(problem, "name one that is", usage=True)
        base = load_base(options.held, len(tokenizer))
        config = config_for(options, base, trigger[0], tokenizer)
        return put_together(config, tuned(base, options.tune, config.adapter))

    def load(self, path: Path, options: TRMOptions) -> PreTrainedModel:
        """The model of a folder, outside of training run as the options say.

        Raises `ReasonError` when the options name another base than it was trained on, or its weights do not fit.
        """
        from reason_trm.trm_files import load

        return load(path, options)

    def whole(self, path: Path) -> bool:
        """Whether the base's weights are there too."""
        return bool(json.loads((path / "config.json").read_text(encoding="utf-8")).get("whole"))

    def graph(self, model: PreTrainedModel, loop: str) -> Graph | None:
        """The model as a graph of tensors, where its base can be one."""
        from reason_trm.trm_graph import trm_graph

        return trm_graph(model, loop)  # type: ignore[arg-type, return-value]

    def merge(self, path: Path, output: Path, options: TRMOptions, dtype: str) -> Mapping[str, Any]:
        """The thinker, and the base with its LoRA merged into it, in a folder that needs no other."""
        from reason_trm.trm_merge import merge

        return asdict(merge(path, output, options, dtype))

    def describe(self, model: PreTrainedModel) -> dict[str, str]:
        """How the base is held, and what is trained."""
        from reason_qlora.adapter import trained

        base: Any = model.base
        return {"base": str(getattr(base, "reason_held", "whole")), "trained": trained(model)}

    def estimate(self, options: TRMOptions, load: Load) -> Estimate:
        """Exact counts; memory by those of the base and the latents' network."""
        return trm_estimate(options, load)


def adapter_of(options: TRMOptions) -> dict[str, Any] | None:
    """What a checkpoint keeps of the LoRA."""
    values = asdict(options)
    return {name: values[name] for name in ADAPTER} if options.tune == "lora" else None
