"""GGUF for reason: Mamba checkpoints for llama.cpp and Ollama."""

from reason_cli import Exporter, hookimpl


@hookimpl
def register_exporters() -> list[Exporter]:
    """What it writes."""
    return []
