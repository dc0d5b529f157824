"""The architecture `qlora`: a Hugging Face causal model, frozen, perhaps quantised, with a trained LoRA beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reason_cli import Architecture, ArchitectureOptions, Estimate, Load, ReasonError, option
from reason_qlora.presets import BASES, PROJECTIONS, SETTINGS

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class QLoraOptions(ArchitectureOptions):
    """The base, how it is held, and the adapter. Names are peft's `LoraConfig`'s."""

    base: str = option("", "causal language model to tune: OWNER/NAME[@REVISION] of the hub, or a folder")
    quantization: str = option(
        "auto",
        "how the base's linear layers are held: auto is nf4 (4 bit, doubly quantised) where bitsandbytes can do it, "
        "else int8, else none",
        choices=("auto", "nf4", "int8", "none"),
    )
    dtype: str = option(
        "auto",
        "type of what is not quantised; auto: bf16 or fp16 on a GPU, fp32 on a CPU",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    offload: bool = option(False, "layers that a GPU has no room for stay in the machine's memory, or on disk")
    r: int = option(16, "rank of the adapter", minimum=1)
    lora_alpha: int = option(32, "the adapter's output is scaled by lora_alpha / r", minimum=1)
    lora_dropout: float = option(0.0, "dropout on what goes into the adapter, in training", minimum=0.0, maximum=0.9)
    target_modules: tuple[str, ...] = option(
        PROJECTIONS, "linear layers that get an adapter; where the base has none of these names, all of its own"
    )
    train_embeddings: bool = option(False, "train the embeddings and the head too, and save them whole")


class QLora(Architecture):
    """LoRA (arXiv 2106.09685) and QLoRA (arXiv 2305.14314) through peft and bitsandbytes."""

    name = "qlora"
    help = (
        "a Hugging Face causal model fine-tuned by an adapter (QLoRA, arXiv 2305.14314); name it with --set model.base="
    )
    model_type = "peft"
    adapts = True
    Options = QLoraOptions
    presets: ClassVar[Mapping[str, QLoraOptions]] = {
        name: replace(QLoraOptions(), **values) for name, values in BASES.items()
    }
    settings = SETTINGS

    def tokenizer(self, options: QLoraOptions) -> str:
        """The base's."""
        return _named(options)

    def vocab_size(self, options: QLoraOptions) -> int:
        """The base's."""
        from reason_qlora.census import config_of

        return int(config_of(_named(options)).vocab_size)

    def build(self, options: QLoraOptions, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
        """The base with a new adapter, whose parameters alone are trained, in float32.

        Raises `ReasonError` for a base that cannot be had or held as asked, and for targets that it has none of.
        """
        from reason_qlora.adapter import add_adapter
        from reason_qlora.base import load_base

        model = load_base(options, len(tokenizer))
        add_adapter(model, options)
        return model

    def load(self, path: Path, options: QLoraOptions) -> PreTrainedModel:
        """The base with the adapter of a folder. Raises `ReasonError` when that was trained on another base."""
        from reason_qlora.adapter import load_adapter

        return load_adapter(path, options)

    def merge(self, path: Path, output: Path, options: QLoraOptions, dtype: str) -> Mapping[str, Any]:
        """The adapter of a folder merged into its base."""
        from dataclasses import asdict

        from reason_qlora.merge import merge

        return asdict(merge(path, output, options, dtype))

    def describe(self, model: PreTrainedModel) -> dict[str, str]:
        """How the base is held, what was tried before, and what is trained."""
        from reason_qlora.adapter import trained

        return {"base": str(getattr(model, "reason_held", "")), "adapter": trained(model)}

    def estimate(self, options: QLoraOptions, load: Load) -> Estimate:
        """From the base's configuration alone: its weights as they are held, and the adapter."""
        from reason_qlora.census import census_of, estimate

        return estimate(census_of(options, load.vocab_size), options, load)


def _named(options: QLoraOptions) -> str:
    if not options.base:
        raise ReasonError(
            "model.base is not set", "name a causal language model with --set model.base=OWNER/NAME", usage=True
        )
    return options.base
