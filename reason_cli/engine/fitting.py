"""How many rows of this run go through the model at a time: what fits, or what the run that is gone on with used."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.config import TrainOptions
from reason_cli.engine.job import TrainJob
from reason_cli.engine.packing import PackedDataset
from reason_cli.engine.planning import GIBIBYTE, MEBIBYTE, Fit, budget, fit
from reason_cli.engine.processes import count, largest, place
from reason_cli.engine.report import Reporter
from reason_cli.engine.stream import Stream
from reason_cli.engine.tokens import TokenDataset
from reason_cli.engine.training_rows import TrainingRows
from reason_cli.errors import ReasonError
from reason_cli.runs import RUN_SOURCE

if TYPE_CHECKING:
    import torch

STATE = "MicroBatch"  # under which a checkpoint's trainer state keeps what its run used
SAMPLE = 1_000  # rows of a stream by which its longest are guessed
CHEAP = 0.02  # of a run's tokens: what a pass over the longest rows may cost on a CPU


@dataclass(frozen=True)
class Used:
    """How a run's rows went through its model when a checkpoint was written."""

    micro_batch_size: int
    gradient_checkpointing: bool

    @classmethod
    def of(cls, checkpoint: Path) -> Used | None:
        """What a checkpoint says; `None` of one that is older than this."""
        state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        kept = state["stateful_callbacks"].get(STATE)
        return cls(**kept["attributes"]) if kept else None


@dataclass(frozen=True)
class Room:
    """What a run's steps may take, looked up before its model is built.

    `rows` are those of the run; of a stream, of which nobody knows all, some of the first.
    `free` is in bytes, `None` where memory is not to be looked at. `used` is of the run that is gone on with.
    """

    job: TrainJob
    device: torch.device
    rows: TokenDataset | PackedDataset
    vocab_size: int
    free: int | None
    used: Used | None

    @classmethod
    def of(cls, job: TrainJob, device: torch.device, data: TrainingRows, resume: Path | None) -> Room:
        free = _free(job, device) if job.hardware.vram_auto else None
        used = Used.of(resume) if resume else None
        return cls(job, device, rows_at_hand(data), len(data.tokenizer), free, used)

    @property
    def longest(self) -> int:
        """The tokens of the longest row at hand."""
        return int(self.rows.lengths.max()) if len(self.rows) else self.job.options.max_seq_len

    def longest_rows(self, count: int) -> list[dict[str, Any]]:
        """The longest rows at hand, the longest first."""
        return [self.rows[int(row)] for row in self.rows.lengths.argsort()[::-1][:count]]

    def fit(self, precision: str) -> Fit:
        """How the run's rows go through its model, in a precision of the matrix products."""
        train, as_before = self._wanted()
        return fit(
            self.job.architecture,
            self.job.options,
            train,
            vocab_size=self.vocab_size,
            length=self.longest,
            precision=precision,
            device_type=self.device.type,
            budget=2**63 if self.free is None else self.free,
            shares=count() if train.parallel == "fsdp" else 1,
            grow=self.device.type != "cpu" and self.free is not None and not as_before,
            may_checkpoint=self.free is not None and not self._asked("gradient_checkpointing"),
        )

    def _wanted(self) -> tuple[TrainOptions, bool]:
        """(the options, with what the run used where nobody asks for something else now; whether its rows are)."""
        train = self.job.train
        if self.used is None:
            return train, False
        if not self._asked("gradient_checkpointing"):
            train = replace(train, gradient_checkpointing=self.used.gradient_checkpointing)
        if self._asked("micro_batch_size"):
            return train, False
        rows = train.micro_batch_size * train.gradient_accumulation_steps
        size = max(n for n in range(1, min(rows, self.used.micro_batch_size) + 1) if rows % n == 0)
        return replace(train, micro_batch_size=size, gradient_accumulation_steps=rows // size), True

    def _asked(self, key: str) -> bool:
        """Whether someone set this now."""
        source = self.job.settings[f"train.{key}"].source
        return source != "default" and not source.startswith(RUN_SOURCE)

    def is_worth_a_rehearsal(self, chosen: Fit) -> bool:
        """Whether a pass over the longest rows before the first step costs little: on a CPU it may be much of a run."""
        if not len(self.rows):
            return False
        train = self.job.train
        rows = train.max_steps * train.micro_batch_size * train.gradient_accumulation_steps
        whole = rows * float(self.rows.lengths.mean())
        return self.device.type == "cuda" or chosen.micro_batch_size * self.longest <= CHEAP * whole


def _free(job: TrainJob, device: torch.device) -> int:
    """What this process may take, and each other of its run: the least of all; on a CPU they share what there is."""
    own = budget(job.hardware, device) // (place().local_count if device.type == "cpu" else 1)
    return int(-largest(-own)[0])


def rows_at_hand(data: TrainingRows) -> TokenDataset | PackedDataset:
    """The rows of a run as they are trained on; of a stream some of the first."""
    if not isinstance(data.rows, Stream):
        return data.rows
    encoded = (row for own in data.encoder.encode(data.sample[:SAMPLE]) for row in own)
    rows = TokenDataset.of([row for row in encoded if len(row.input_ids) <= data.encoder.max_seq_len])
    return data.rows.packed(rows, 0)


def settled(room: Room, chosen: Fit, report: Reporter) -> dict[str, Any]:
    """Say in one line what was chosen; returns what `run.toml` keeps of it.

    Raises `ReasonError` when a step does not fit however it is cut. On a CPU that is a warning: what an estimate is too
    high by, or the system can lend, may be enough.
    """
    asked, size = room.job.train.micro_batch_size, chosen.micro_batch_size
    rows = f"{size} row{'s' if size > 1 else ''} of up to {room.longest:,} tokens at a time"
    recomputed = ", activations recomputed" if chosen.gradient_checkpointing else ""
    if not chosen.fits:
        _warn_or_refuse(room, f"{rows}{recomputed} needs about {amount(chosen.memory.total)}", report)
    else:
        instead = "" if size == asked else f" (asked: {asked})"
        passes = chosen.gradient_accumulation_steps
        times = f", {passes} times per step" if passes > 1 else ""
        there = "" if room.free is None else f" of {amount(room.free)}"
        report.say(f"memory: {rows}{instead}{times}{recomputed}; about {amount(chosen.memory.total)}{there}")
    memory = {**asdict(chosen.memory), "total": chosen.memory.total}
    free = {} if room.free is None else {"budget": room.free}
    return {**asdict(chosen), "length": room.longest, "memory": {**memory, **free}}


def _warn_or_refuse(room: Room, needs: str, report: Reporter) -> None:
    message = f"'{room.job.architecture.name}' does not fit: {needs}, and {amount(room.free or 0)} may be taken"
    if room.device.type != "cpu":
        hint = "see with `reason plan` what fits, lower model.max_seq_len, or try all the same with --no-vram-auto"
        raise ReasonError(message, hint)
    report.warn(f"{message}; `reason plan` shows what fits")


def amount(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / MEBIBYTE:,.0f} MiB" if count < GIBIBYTE else f"{count / GIBIBYTE:.1f} GiB"
