"""Hugging Face folders for reason: for transformers, vLLM and llama.cpp's converter, with a model card."""

from reason_cli import Exporter, hookimpl
from reason_hf.exporter import HuggingFace


@hookimpl
def register_exporters() -> list[Exporter]:
    """`reason export hf`."""
    return [HuggingFace()]
