"""From a job to what is ready to train: rows, tokenizer, labels, model, device and precision."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.config import TrainOptions
from reason_cli.engine.batches import Collator
from reason_cli.engine.fitting import Room, settled
from reason_cli.engine.hardware import Precision, bf16_gain, pick_device, pick_precision
from reason_cli.engine.initial import first_model, origin, warn_of_other_rows
from reason_cli.engine.job import TrainJob
from reason_cli.engine.methods import check_method
from reason_cli.engine.optimizers import check_compiler, check_optimizer
from reason_cli.engine.planning import Fit, card_bytes
from reason_cli.engine.processes import agreed, count
from reason_cli.engine.report import Reporter
from reason_cli.engine.target import smaller_card
from reason_cli.engine.training_rows import Lessons, TrainingRows, training_rows
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass
class Ready:
    """A job's data and model, ready to train; `facts` are for `run.toml`."""

    data: Lessons
    model: PreTrainedModel
    device: torch.device
    precision: Precision
    facts: dict[str, Any] = field(default_factory=dict, kw_only=True)


@dataclass
class Prepared(Ready):
    """The same for solutions: what memory there is as well, and how a step is made to fit into it."""

    data: TrainingRows
    room: Room
    fit: Fit


def check(job: TrainJob, device: torch.device, processes: int = 1) -> None:
    """Refuse what cannot run on this machine, in so many processes. Raises `ReasonError` with what would help."""
    check_method(job, max(processes, count()))
    if job.hardware.vram:
        card_bytes(job.hardware.vram)
    check_optimizer(job.train.optimizer, device)
    if job.train.compile:
        check_compiler(device)
    _check_sharding(job.train, job.hardware.precision)


def _check_sharding(options: TrainOptions, precision: str) -> None:
    """Refuse with `fsdp` what is known to work on whole parameters only."""
    unfit = {
        f"train.optimizer {options.optimizer}": options.optimizer != "adamw",
        "train.compile": options.compile,
        "train.ema_decay": options.ema_decay > 0,
        "fp16, whose loss is scaled": precision == "fp16",
    }
    for what, asked in unfit.items():
        if asked and options.parallel == "fsdp":
            raise ReasonError(f"{what}: not with train.parallel fsdp", "leave one of them out", usage=True)


def prepare(job: TrainJob, report: Reporter, resume: Path | None = None) -> Prepared:
    """Rows, tokenizer, labels, model, device and precision, each said as it becomes known."""
    device = pick_device(job.hardware)
    smaller = smaller_card(job.hardware, job.settings["hardware.vram"].source, device)
    if smaller:
        report.warn(smaller)
    data = training_rows(job, report, resume)
    warn_of_other_rows(data.summaries, resume, report)
    room = Room.of(job, device, data, resume)
    model = first_model(job, data.tokenizer, resume)
    # What is measured differs from process to process, so the first decides for all.
    precision = agreed(lambda: pick_precision(job.hardware.precision, device, lambda: _probe(room, model, data)))
    _check_sharding(job.train, precision.name)
    fit = room.fit(precision.name)
    if fit.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    engines = job.architecture.describe(model)
    facts = {**origin(job, resume), "data": data.summaries, "engines": dict(engines)}
    facts["fit"] = settled(room, fit, report)
    ready = Prepared(data, placed(model, device), device, precision, room, fit, facts=facts)
    say_model(job, ready, report)
    return ready


def say_model(job: TrainJob, ready: Ready, report: Reporter) -> None:
    """One line on what is trained, where and how."""
    several = f", {count()} processes ({job.train.parallel})" if count() > 1 else ""
    notes = "".join(f", {key} {value}" for key, value in ready.facts["engines"].items())
    report.say(
        f"model: {job.architecture.name}, {ready.model.num_parameters():,} parameters on {ready.device.type}, "
        f"{ready.precision.name} ({ready.precision.why}){notes}{several}"
    )


def placed(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """The model on its device; one that its architecture has spread over several places stays there."""
    spread = len(set((getattr(model, "hf_device_map", None) or {}).values())) > 1
    return model if spread else model.to(device)  # type: ignore[arg-type]


def _probe(room: Room, model: PreTrainedModel, data: TrainingRows) -> float:
    """How much faster the model is in bfloat16, on a batch like those of the run."""
    rows = room.fit("fp32").micro_batch_size
    batch = Collator(data.tokenizer.pad_token_id)([room.rows[i] for i in range(min(len(room.rows), rows))])
    return bf16_gain(model, batch)
