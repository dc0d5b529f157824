"""Mamba (arXiv 2312.00752) for `reason`: the architecture plugin, its model and its selective scan."""

from reason_cli import hookimpl
from reason_mamba.architecture import Mamba
from reason_mamba.command import scan_command


@hookimpl
def register_architectures():
    """The architecture `mamba` with its presets."""
    return [Mamba()]


@hookimpl
def register_commands():
    """`reason scan`."""
    return [scan_command]
