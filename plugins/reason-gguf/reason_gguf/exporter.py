"""The format `gguf`: one file for llama.cpp and what is built on it, and a Modelfile for Ollama."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from reason_cli import Exportable, Exported, Exporter, option

FILE = "model.gguf"
PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "q8_0": "int8"}


@dataclass(frozen=True)
class GgufOptions:
    """How matrices are stored."""

    type: str = option("f16", "type of the matrices; q8_0: 8 bits, in blocks of 32", choices=tuple(PRECISIONS))


class Gguf(Exporter):
    """Mamba for llama.cpp."""

    name = "gguf"
    help = "a GGUF file for llama.cpp, with a Modelfile for Ollama"
    takes = "mamba checkpoints with expand 2 and a byte-level tokenizer"
    backend = "llama.cpp"
    Options = GgufOptions

    def missing(self) -> str:
        """The package that writes the file."""
        return "" if find_spec("gguf") else 'pip install "reason-cli[gguf]"'

    def refuses(self, source: Exportable, options: GgufOptions) -> str:
        """What llama.cpp does not know, or knows otherwise."""
        from reason_gguf.tensors import unknown
        from reason_gguf.vocabulary import unreadable

        return unknown(source.model) or unreadable(source.tokenizer)

    def precision(self, options: GgufOptions) -> str:
        """The type of the matrices."""
        return PRECISIONS[options.type]

    def export(self, source: Exportable, folder: Path, options: GgufOptions) -> None:
        """`model.gguf`, `Modelfile` and `README.md`."""
        from reason_gguf.ollama import modelfile
        from reason_gguf.readme import readme
        from reason_gguf.writer import write

        write(source, folder / FILE, options.type)
        (folder / "Modelfile").write_text(modelfile(source, FILE), encoding="utf-8")
        (folder / "README.md").write_text(readme(source, FILE, options.type), encoding="utf-8")

    def load(self, folder: Path, threads: int) -> Exported:
        """The weights of the file, in float32, run by transformers: llama.cpp gives no logits, see `prove`."""
        from reason_gguf.reader import read

        return read(folder, FILE)

    def prove(self, source: Exportable, folder: Path, prompts: Sequence[Sequence[int]]) -> Mapping[str, float]:
        """What llama.cpp itself makes of the file, where it is installed, beside what the model says.

        Raises `ReasonError` where that is not the same.
        """
        from reason_gguf.llama_cpp import installed, proven

        return proven(source, folder / FILE, prompts) if installed() else {}
