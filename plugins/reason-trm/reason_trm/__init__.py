"""Tiny recursive models for `reason`: the architecture plugin and its model."""

from reason_cli import hookimpl
from reason_trm.puzzle_architecture import TRMPuzzle


@hookimpl
def register_architectures():
    """The architecture `trm-puzzle` with its presets."""
    return [TRMPuzzle()]
