"""The memory that training takes, by part, beside the memory that there is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from reason_cli.engine.forecast import gib
from reason_cli.engine.planning import GIBIBYTE
from reason_cli.engine.plots import kinds
from reason_cli.engine.plots.plot import Plot, short

if TYPE_CHECKING:
    from reason_cli.engine.forecast import Outlook
    from reason_cli.engine.target import Target

PARTS = ("weights", "gradients", "optimizer", "activations", "logits", "heap")


def memory_plot(rows: Sequence[Outlook], aim: Target) -> Plot:
    """A bar for each preset as the planner would train it, or where it does not fit as it needs least."""
    gibibytes = [[getattr(row.best.memory, part) / GIBIBYTE for part in PARTS] for row in rows]
    bars = [(short(row.candidate.preset), parts, _note(row)) for row, parts in zip(rows, gibibytes, strict=True)]
    where = aim.name or f"{aim.device} of {gib(aim.memory)} GiB, {aim.source}"
    return Plot(
        name="memory",
        title=f"Memory in training, {where}",
        caption=f"What a step holds at its fullest. Dashed: the {gib(aim.budget)} GiB that training may take. At the "
        "right, the rows that go through at once and how often in a step; of what does not fit, one row at a time with "
        "gradient checkpointing.",
        columns=["Preset", *(part.capitalize() for part in PARTS)],
        numbers=[
            [row.candidate.preset, *(f"{part:.2f}" for part in parts)]
            for row, parts in zip(rows, gibibytes, strict=True)
        ],
        draw=partial(kinds.stacks, rows=bars, names=PARTS, line=aim.budget / GIBIBYTE, label="GiB"),
        height=0.9 + 0.24 * len(rows),
    )


def _note(row: Outlook) -> str:
    if not row.best.fits:
        return "too large"
    checkpointed = ", checkpointing" if row.best.gradient_checkpointing else ""
    return f"{row.best.micro_batch_size} x {row.best.gradient_accumulation_steps}{checkpointed}"
