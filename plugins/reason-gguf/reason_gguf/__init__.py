"""GGUF for reason: Mamba checkpoints for llama.cpp and Ollama."""

from reason_cli import Exporter, hookimpl
from reason_gguf.exporter import Gguf


@hookimpl
def register_exporters() -> list[Exporter]:
    """`reason export gguf`."""
    return [Gguf()]
