"""What each preset would take to train and how long it would run: the rows of `reason plan`. Nothing is built.

Memory is the planner's; speed is the probe's, where this machine was measured and is the one that is planned for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from reason_cli.api import Architecture, ArchitectureOptions, Estimate, Load
from reason_cli.config import TrainOptions
from reason_cli.engine.planning import GIBIBYTE, Fit, fit
from reason_cli.engine.probe import CPU_TOKENS, Speed, SpeedCache, Subject, measure, speed_key
from reason_cli.engine.target import Target
from reason_cli.errors import ReasonError

AS_ASKED = {"budget": 2**63, "grow": False, "may_checkpoint": False}  # what makes the planner take all as it is
BUSY_TOKENS = 4096  # in one pass: from there on larger passes gain a card little


@dataclass(frozen=True)
class Candidate:
    """A preset as `reason train` would resolve it with these settings.

    `may_checkpoint`: nobody said whether activations are to be recomputed, so that the planner may. `as_asked`: the
    planner is off (`hardware.vram_auto`), rows go through as the settings say.
    """

    preset: str
    architecture: Architecture
    options: ArchitectureOptions
    vocab_size: int
    train: TrainOptions
    may_checkpoint: bool = True
    as_asked: bool = False


@dataclass(frozen=True)
class Outlook:
    """What one candidate takes on the target.

    `one_row` is a step of a single row at a time as the settings stand, `best` the planner's choice. `speed` is in
    tokens a second, `None` where it was not measured; `seconds` is the whole schedule at that speed.
    """

    candidate: Candidate
    estimate: Estimate
    one_row: Fit
    best: Fit
    speed: float | None
    seconds: float | None

    @property
    def length(self) -> int:
        """Tokens of the rows that are planned for."""
        return self.candidate.options.max_seq_len

    @property
    def verdict(self) -> str:
        if not self.best.fits:
            return f"too large: needs {gib(self.best.memory.total)} GiB"
        if self.best.gradient_checkpointing and not self.candidate.train.gradient_checkpointing:
            return "fits with gradient checkpointing"
        return "fits"

    def as_json(self) -> dict[str, Any]:
        """The row with all memory in bytes."""
        return {
            "preset": self.candidate.preset,
            "architecture": self.candidate.architecture.name,
            "parameters": self.estimate.parameters,
            "flops_per_token": self.estimate.flops_per_token,
            "length": self.length,
            "weights": self.estimate.weights,
            "one_row": _memory(self.one_row),
            "best": {
                "micro_batch_size": self.best.micro_batch_size,
                "gradient_accumulation_steps": self.best.gradient_accumulation_steps,
                "gradient_checkpointing": self.best.gradient_checkpointing,
                **_memory(self.best),
            },
            "fits": self.best.fits,
            "verdict": self.verdict,
            "tokens_per_second": self.speed,
            "seconds": self.seconds,
        }


def gib(count: int) -> str:
    """Bytes in GiB with as many digits as tell something."""
    amount = count / GIBIBYTE
    return f"{amount:,.0f}" if amount >= 99.5 else f"{amount:.1f}" if amount >= 0.95 else f"{amount:.2f}"


def _memory(found: Fit) -> dict[str, int]:
    return {**asdict(found.memory), "total": found.memory.total}


def forecast(candidates: Iterable[Candidate], aim: Target, speeds: Mapping[str, Speed]) -> list[Outlook]:
    """What each candidate takes, the smallest of an architecture first. `speeds` are by architecture."""
    rows = [outlook(candidate, aim, speeds.get(candidate.architecture.name)) for candidate in candidates]
    return sorted(rows, key=lambda row: (row.candidate.architecture.name, row.estimate.parameters))


def outlook(candidate: Candidate, aim: Target, speed: Speed | None = None) -> Outlook:
    """What one candidate takes, at the speed measured of its architecture if it was."""
    train, length = candidate.train, candidate.options.max_seq_len
    rows = train.micro_batch_size * train.gradient_accumulation_steps
    each = replace(train, micro_batch_size=1, gradient_accumulation_steps=rows)
    asked: dict[str, Any] = {
        "vocab_size": candidate.vocab_size,
        "length": length,
        "precision": speed.precision if speed else aim.precision,
        "device_type": aim.device,
        "budget": aim.budget,
        "grow": aim.device != "cpu",
    }
    one_row = fit(candidate.architecture, candidate.options, each, **asked | {"grow": False}, may_checkpoint=False)
    if candidate.as_asked:
        whole = fit(candidate.architecture, candidate.options, train, **asked | AS_ASKED)
        best = replace(whole, fits=whole.memory.total <= aim.budget)
    else:
        best = fit(candidate.architecture, candidate.options, train, **asked, may_checkpoint=candidate.may_checkpoint)
    load = Load(candidate.vocab_size, best.micro_batch_size, length, asked["precision"], best.gradient_checkpointing)
    estimate = candidate.architecture.estimate(candidate.options, load)
    expected = speed.tokens_per_second(estimate.flops_per_token, best.gradient_checkpointing) if speed else None
    return Outlook(candidate, estimate, one_row, best, expected, _seconds(train, rows * length, expected))


def _seconds(train: TrainOptions, tokens_per_step: int, speed: float | None) -> float | None:
    """Of the whole schedule, or of its minutes where those are over first."""
    if speed is None:
        return None
    whole = train.max_steps * tokens_per_step / speed
    return min(whole, train.max_minutes * 60) if train.max_minutes else whole


def recommended(rows: Sequence[Outlook]) -> dict[str, str]:
    """Per architecture the largest preset that trains at full speed: nothing recomputed, and in passes of all the rows
    of a step or of `BUSY_TOKENS` at least.
    """
    found: dict[str, str] = {}
    for row in rows:  # of each architecture the smallest first
        best = row.best
        busy = best.gradient_accumulation_steps == 1 or best.micro_batch_size * row.length >= BUSY_TOKENS
        if best.fits and busy and not best.gradient_checkpointing:
            found[row.candidate.architecture.name] = row.candidate.preset
    return found


def speeds(
    candidates: Sequence[Candidate], aim: Target, asked: str, say: Callable[[str], None] | None
) -> dict[str, Speed]:
    """Per architecture how fast the target trains, where it is this machine: as measured before, or with `say` now.

    `asked` is the precision of the settings. Raises `ReasonError` for a measurement of what is not here.
    """
    if aim.here is None:
        if say is not None:
            raise ReasonError(
                f"--probe times this machine, and {aim.source} is for another", "leave it out", usage=True
            )
        return {}
    cache, found = SpeedCache.of_user(), {}
    for name in dict.fromkeys(candidate.architecture.name for candidate in candidates):
        own = [candidate for candidate in candidates if candidate.architecture.name == name]
        key = speed_key(own[0].architecture, aim.here, asked, _set_otherwise(own[0]))
        speed = cache.find(key)
        if say is not None:
            subjects = [subject for subject in (_subject(candidate, aim) for candidate in own) if subject]
            if not subjects:
                say(f"probe: no preset of {name} fits in {gib(aim.budget)} GiB")
                continue
            speed = measure(subjects, aim.here, asked, say)
            cache.store(key, speed)
        if speed is not None:
            found[name] = speed
    return found


def _set_otherwise(candidate: Candidate) -> dict[str, Any]:
    """The settings of a candidate that are not its preset's; the length of its rows is no matter of speed."""
    preset = candidate.architecture.presets.get(candidate.preset, candidate.architecture.Options())
    values = ((field.name, getattr(candidate.options, field.name)) for field in fields(candidate.options))
    return {name: value for name, value in values if name != "max_seq_len" and value != getattr(preset, name)}


def _subject(candidate: Candidate, aim: Target) -> Subject | None:
    """What to measure of a candidate: a step as training takes it, on a CPU a short one; None where it does not fit."""
    best = fit(
        candidate.architecture,
        candidate.options,
        candidate.train,
        vocab_size=candidate.vocab_size,
        length=candidate.options.max_seq_len,
        precision=aim.precision,
        device_type=aim.device,
        budget=aim.budget,
        grow=True,
        may_checkpoint=False,
    )
    rows, length = best.micro_batch_size, candidate.options.max_seq_len
    if aim.device == "cpu":
        rows, length = 1, min(length, CPU_TOKENS)
    subject = Subject(candidate.preset, candidate.architecture, candidate.options, candidate.vocab_size, rows, length)
    return subject if best.fits else None
