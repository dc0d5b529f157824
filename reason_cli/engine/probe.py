"""How fast this machine trains: a few steps of small presets, timed once and kept.

A speed is told as tokens a second at so many operations a token. What other sizes reach follows from the operations a
second that were achieved, which is an estimate; nothing is said of a machine that was not measured.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import Architecture, ArchitectureOptions, Load
from reason_cli.engine.hardware import Precision, autocast, bf16_gain, pick_precision
from reason_cli.engine.tokens import IGNORED
from reason_cli.engine.user_cache import user_cache
from reason_cli.errors import ReasonError, first_line
from reason_cli.runs import write_json

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

FORWARD_PASSES = 3  # a training step's operations, in forward passes: the backward pass is two
WARM_UP, TIMED = 2, 3  # steps; the first compile and allocate
CPU_TOKENS = 512  # in a step on a CPU, where longer ones tell the same and take longer
MOST_SECONDS = 60.0  # a second preset that would take longer is left out
LARGER = 4.0  # the second preset that is measured has at most so many times the operations of the first


@dataclass(frozen=True)
class Point:
    """A measurement: the preset, its forward operations a token, and the tokens a second that it trained on."""

    preset: str
    flops_per_token: int
    tokens_per_second: float

    @property
    def achieved(self) -> float:
        """Operations a second."""
        return self.tokens_per_second * self.flops_per_token * FORWARD_PASSES


@dataclass(frozen=True)
class Speed:
    """What was measured of one architecture on one machine. `precision` is the one in which it trained."""

    precision: str
    points: tuple[Point, ...]

    def as_json(self) -> dict[str, Any]:
        """Precision and measurements."""
        return {"precision": self.precision, "measured": [asdict(point) for point in self.points]}

    def tokens_per_second(self, flops_per_token: int, gradient_checkpointing: bool) -> float:
        """Expected tokens a second, from the operations a second achieved: between the sizes measured interpolated,
        beyond them those of the nearest. Gradient checkpointing takes one more forward pass.
        """
        import numpy as np

        ordered = sorted(self.points, key=lambda point: point.flops_per_token)
        sizes = np.log([point.flops_per_token for point in ordered])
        achieved = float(np.interp(np.log(flops_per_token), sizes, [point.achieved for point in ordered]))
        return achieved / (flops_per_token * (FORWARD_PASSES + gradient_checkpointing))


@dataclass(frozen=True)
class Subject:
    """A preset that may be measured: `rows` of `length` tokens go through it in a step, as a run's would."""

    preset: str
    architecture: Architecture
    options: ArchitectureOptions
    vocab_size: int
    rows: int
    length: int

    @property
    def flops_per_token(self) -> int:
        load = Load(self.vocab_size, self.rows, self.length)
        return self.architecture.estimate(self.options, load).flops_per_token


@dataclass(frozen=True)
class SpeedCache:
    """Speeds kept in a folder, one file per machine, torch version, asked precision, architecture and its settings."""

    folder: Path

    @classmethod
    def of_user(cls) -> SpeedCache:
        """The cache in the user's cache folder."""
        return cls(user_cache("speeds"))

    def find(self, key: Mapping[str, Any]) -> Speed | None:
        """What was measured under `key`, or `None`. A file that cannot be read counts as none."""
        try:
            kept = json.loads(self._file(key).read_text(encoding="utf-8"))
            points = tuple(map(_point, kept["points"]))
            return Speed(kept["precision"], points) if points else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def store(self, key: Mapping[str, Any], speed: Speed) -> None:
        """Keep a speed; where nothing can be written, it is measured anew the next time."""
        kept = {"key": dict(key), "precision": speed.precision, "points": [asdict(point) for point in speed.points]}
        try:
            write_json(self._file(key), kept)
        except OSError:
            return

    def _file(self, key: Mapping[str, Any]) -> Path:
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode())
        return self.folder / f"{digest.hexdigest()[:32]}.json"


def _point(kept: Mapping[str, Any]) -> Point:
    return Point(str(kept["preset"]), int(kept["flops_per_token"]), float(kept["tokens_per_second"]))


def speed_key(architecture: Architecture, device: torch.device, asked: str, settings: Mapping[str, Any]) -> dict:
    """What a speed belongs to. `settings` are those of the model that differ from its presets'."""
    import torch

    return {
        "machine": machine_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "precision": asked,
        "architecture": architecture.name,
        "settings": dict(settings),
    }


def machine_name(device: torch.device) -> str:
    """The card's name, or the processor's."""
    import platform

    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def chosen(subjects: Sequence[Subject]) -> list[Subject]:
    """The smallest, and the largest that is not more than `LARGER` times its size."""
    ordered = sorted(subjects, key=lambda subject: subject.flops_per_token)
    limit = LARGER * ordered[0].flops_per_token
    second = [subject for subject in ordered[1:] if subject.flops_per_token <= limit]
    return [ordered[0], *second[-1:]]


def measure(subjects: Sequence[Subject], device: torch.device, asked: str, say: Callable[[str], None]) -> Speed:
    """Time a few training steps of some of the subjects, all of one architecture.

    Raises `ReasonError` when a step fails, as on a device that is full.
    """
    precision: Precision | None = None
    points: list[Point] = []
    for subject in chosen(subjects):
        if points and _expected(subject, points[0]) > MOST_SECONDS:
            break
        say(f"probe: {subject.preset}, {WARM_UP + TIMED} steps of {subject.rows} x {subject.length:,} tokens")
        try:
            model = _model(subject).to(device)  # type: ignore[arg-type]
            batch = _batch(subject, device)
            if precision is None:
                precision = pick_precision(asked, device, partial(bf16_gain, model, batch))
            seconds = _seconds(model, batch, precision, device)
        except (RuntimeError, MemoryError) as error:
            raise ReasonError(
                f"the probe of {subject.preset} failed: {first_line(error)}", "leave --probe out, or lower --seq-len"
            ) from None
        points.append(Point(subject.preset, subject.flops_per_token, subject.rows * subject.length / seconds))
        del model
    assert precision is not None
    return Speed(precision.name, tuple(points))


def _expected(subject: Subject, smaller: Point) -> float:
    """Seconds that the steps of a subject take at the operations a second of a smaller one."""
    operations = subject.flops_per_token * FORWARD_PASSES * subject.rows * subject.length
    return (WARM_UP + TIMED) * operations / smaller.achieved


def _model(subject: Subject) -> PreTrainedModel:
    """A new model with the run's vocabulary, without the tokenizer that the vocabulary is of."""
    from reason_cli.engine import tokenizers

    model = subject.architecture.build(subject.options, tokenizers.build("bytes", ()))
    model.resize_token_embeddings(subject.vocab_size, mean_resizing=False)
    return model.train()


def _batch(subject: Subject, device: torch.device) -> dict[str, torch.Tensor]:
    import torch

    random = torch.Generator().manual_seed(0)
    ids = torch.randint(subject.vocab_size, (subject.rows, subject.length), generator=random).to(device)
    labels = ids.clone()
    if not subject.architecture.causal:
        labels[:, : subject.length // 2] = IGNORED  # a question, and its answer
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def _seconds(model: PreTrainedModel, batch: Mapping[str, Any], precision: Precision, device: torch.device) -> float:
    """Seconds of a training step, the fastest of those timed: others may use the machine."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=device.type != "mps")
    taken = []
    for _ in range(WARM_UP + TIMED):
        start = time.perf_counter()
        with autocast(precision, device):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - start)
    return min(taken[WARM_UP:])
