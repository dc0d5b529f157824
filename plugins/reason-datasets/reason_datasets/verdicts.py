"""Solutions that a program marked right or wrong: what becomes of the wrong ones."""

from __future__ import annotations

from dataclasses import dataclass

from reason_cli import option


@dataclass(frozen=True)
class VerdictOptions:
    """Which solutions are read."""

    wrong: str = option("drop", "what becomes of solutions that are marked wrong", choices=("drop", "keep"))
