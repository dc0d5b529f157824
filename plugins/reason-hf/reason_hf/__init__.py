"""Hugging Face folders for reason: for transformers, vLLM and llama.cpp's converter, with a model card."""

from reason_cli import Exporter, hookimpl


@hookimpl
def register_exporters() -> list[Exporter]:
    """What it writes."""
    return []
