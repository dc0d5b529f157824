"""Tiny recursive models for `reason`: the architecture plugin and its model."""

from reason_cli import hookimpl
from reason_trm.puzzle_architecture import TRMPuzzle
from reason_trm.trm_architecture import TRM


@hookimpl
def register_architectures():
    """The architectures `trm` and `trm-puzzle` with their presets."""
    return [TRM(), TRMPuzzle()]
