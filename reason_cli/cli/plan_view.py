"""What `reason plan` prints: a table on a hundred columns, and what its figures mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.measure import Measurement

from reason_cli.cli.display import out, table
from reason_cli.engine.forecast import gib, recommended

if TYPE_CHECKING:
    from reason_cli.engine.forecast import Outlook
    from reason_cli.engine.probe import Speed
    from reason_cli.engine.target import Target

LEAST_VERDICT = 12  # columns
WIDEST = 1_000
MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds


def show_forecast(rows: Sequence[Outlook], aim: Target, speeds: Mapping[str, Speed]) -> None:
    """Print the presets with what they take on the target, and below what is recommended."""
    trains = [row.candidate.train for row in rows]
    steps = _range([train.max_steps for train in trains])
    per_step = _range([train.micro_batch_size * train.gradient_accumulation_steps for train in trains])
    machine = f"{aim.name} ({aim.device})" if aim.here else f"{aim.device}, not this machine"
    memory = f"{gib(aim.memory)} GiB" + ("" if aim.source else " free")
    out.print(f"[bold]{aim.source or 'this machine'}[/]: {machine}, {memory}")
    precision = " and ".join(dict.fromkeys(speed.precision for speed in speeds.values())) or aim.precision
    out.print(
        f"training may take {gib(aim.budget)} GiB; {precision}; {steps} steps of {per_step} rows of "
        f"{_range([row.length for row in rows])} tokens\n"
    )
    heads = [
        "preset",
        "#size",
        "#weights",
        "#1 row",
        "#rows",
        "#memory",
        *(["#tokens/s", "#time"] if speeds else []),
    ]
    drawn = table(*heads, "verdict", rows=[_cells(row, bool(speeds)) for row in rows])
    for column in drawn.columns[:-1]:
        column.no_wrap = True  # where it is narrow, the verdict alone takes two lines
    drawn.columns[-1].min_width = LEAST_VERDICT
    needed = Measurement.get(out, out.options.update_width(WIDEST), drawn).minimum
    drawn.width = needed if needed > out.width else None  # a line that is too long for a terminal loses no digit
    out.print(drawn, crop=False)
    out.print("\nMemory in GiB: with one row at a time, and with as many as `rows` says.", style="dim")
    for line in _notes(aim, speeds):
        out.print(line, style="dim", soft_wrap=False)
    best = ", ".join(f"{preset} ({architecture})" for architecture, preset in recommended(rows).items())
    alone = " by memory alone" if aim.device == "cpu" else ""
    out.print(f"recommended{alone}: [bold]{best or 'none'}[/]", soft_wrap=False)


def _range(numbers: Sequence[int]) -> str:
    found = sorted(set(numbers))
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"


def _cells(row: Outlook, speeds: bool) -> list[str]:
    best = row.best
    cells = [
        row.candidate.preset,
        millions(row.estimate.parameters),
        gib(row.estimate.weights),
        gib(row.one_row.memory.total),
        str(best.micro_batch_size) if best.fits else "-",
        gib(best.memory.total) if best.fits else "-",
    ]
    if speeds:
        cells += [f"{row.speed:,.0f}", span(row.seconds)] if best.fits and row.speed and row.seconds else ["-", "-"]
    return [*cells, row.verdict.replace("gradient ", "")]  # a word less, so that it stands on one line


def _notes(aim: Target, speeds: Mapping[str, Speed]) -> list[str]:
    if not speeds:
        return ["Speed: not measured here; --probe takes a few steps." if aim.here else "Speed: not this machine's."]
    measured = ", ".join(dict.fromkeys(point.preset for speed in speeds.values() for point in speed.points))
    return [f"Speed: measured on this machine, {aim.name}, with {measured}; an estimate for all others."]


def millions(count: int) -> str:
    """A number of parameters as people say it."""
    return f"{count / 1e9:.2f}B" if count >= 1e9 else f"{count / 1e6:.0f}M" if count >= 1e7 else f"{count / 1e6:.2g}M"


def span(seconds: float) -> str:
    """A time to wait, in its largest sensible unit."""
    for unit, length in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= 1.5 * length:
            amount = seconds / length
            return f"{amount:,.0f} {unit}" if amount >= 10 else f"{amount:.1f} {unit}"
    return f"{seconds:.0f} s"
