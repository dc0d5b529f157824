"""LoRA and QLoRA for `reason`: the architecture plugin and `reason merge`."""

from reason_cli import hookimpl
from reason_qlora.architecture import QLora
from reason_qlora.command import merge_command


@hookimpl
def register_architectures():
    """The architecture `qlora` with its presets."""
    return [QLora()]


@hookimpl
def register_commands():
    """`reason merge`."""
    return [merge_command]
