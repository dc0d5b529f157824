"""Hybrid recursive Mamba for `reason`: the architecture plugin and its model."""

from reason_cli import hookimpl
from reason_hybrid.architecture import Hybrid


@hookimpl
def register_architectures():
    """The architecture `hybrid` with its presets."""
    return [Hybrid()]
