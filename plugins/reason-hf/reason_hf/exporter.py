"""The format `hf`: a folder that transformers alone loads, with the model's code where transformers has none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reason_cli import Exportable, Exported, Exporter, option


@dataclass(frozen=True)
class HuggingFaceOptions:
    """How weights are written, and where the folder goes."""

    dtype: str = option("fp32", "type of the weights", choices=("fp32", "bf16", "fp16"))
    push: str = option("", "repository OWNER/NAME of the Hugging Face hub to upload the folder to; empty: none")
    private: bool = option(True, "make that repository private, if it is new")


class HuggingFace(Exporter):
    """A checkpoint like any other, for those who do not have this project."""

    name = "hf"
    help = "a folder for transformers, vLLM and llama.cpp's converter, with a model card"
    takes = "checkpoints that are whole: mamba, hybrid, trm, transformers' own, and what `reason merge` wrote"
    Options = HuggingFaceOptions

    def refuses(self, source: Exportable, options: HuggingFaceOptions) -> str:
        """Weights that are no plain numbers, and models that the check of outputs cannot ask.

        Raises `ReasonError` for a `push` that cannot be a repository's name.
        """
        if options.push:
            from reason_hf.hub import check_name

            check_name(options.push)
        if getattr(source.model, "hf_quantizer", None) is not None:
            return "its weights are quantised"
        if source.architecture is not None and not source.architecture.causal:
            return "it is not causal, and what is written is checked token by token"
        return ""

    def precision(self, options: HuggingFaceOptions) -> str:
        """The type of the weights."""
        return options.dtype

    def export(self, source: Exportable, folder: Path, options: HuggingFaceOptions) -> None:
        """Config, weights, code where transformers has none, and README.md.

        Raises `ReasonError` for code that cannot go along.
        """
        from reason_hf.card import card
        from reason_hf.carried import auto_map
        from reason_hf.weights import write

        code = auto_map(source.model, folder)
        write(source.model, folder, options.dtype, code)
        (folder / "README.md").write_text(card(source, options, bool(code)), encoding="utf-8")

    def load(self, folder: Path, threads: int) -> Exported:
        """The model by the code that stands in the folder, or by transformers' own."""
        from reason_hf.reader import read

        return read(folder)

    def publish(self, folder: Path, options: Any) -> str:
        """Upload the finished folder where `push` says, and say where it is; nothing where that is empty.

        Raises `ReasonError` when the hub cannot be reached or does not take it.
        """
        if not options.push:
            return ""
        from reason_hf.hub import upload

        return upload(folder, options.push, options.private)
