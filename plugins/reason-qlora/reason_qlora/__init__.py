"""LoRA and QLoRA for `reason`: the architecture plugin."""

from reason_cli import hookimpl
from reason_qlora.architecture import QLora


@hookimpl
def register_architectures():
    """The architecture `qlora` with its presets."""
    return [QLora()]
