"""A plain transformer of Llama's shape for `reason`: the architecture plugin. The model is transformers' own."""

from reason_cli import hookimpl
from reason_llama.architecture import Llama


@hookimpl
def register_architectures():
    """The architecture `llama` with its presets."""
    return [Llama()]
