"""What must hold before a run is gone on with; all of it is checked before anything of the run is touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reason_cli.config import TrainOptions
from reason_cli.engine import adapters
from reason_cli.engine.job import TrainJob
from reason_cli.engine.processes import count
from reason_cli.engine.report import Reporter
from reason_cli.errors import ReasonError
from reason_cli.runs import Run, step_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def newest_checkpoint(run: Run) -> Path:
    """Where to resume from. Raises `ReasonError` when no checkpoint was written to its end."""
    complete = run.complete_checkpoints()
    if not complete:
        raise ReasonError(f"{run.path} has no complete checkpoint to go on from", "start a new run")
    return complete[-1]


def check_steps(options: TrainOptions, resume: Path | None, report: Reporter) -> None:
    """Refuse a run that has nothing left to do; say when the learning rate will never reach its peak."""
    done = step_of(resume) if resume else 0
    if done >= options.max_steps:
        raise ReasonError(f"step {done} of {options.max_steps} is done", "raise --max-steps to go on", usage=True)
    if options.warmup_steps >= options.max_steps:
        report.warn(
            f"warm-up takes {options.warmup_steps:,} steps and the run {options.max_steps:,}: "
            "the learning rate never reaches its peak; lower --warmup-steps"
        )


def check_processes(job: TrainJob, run: Run, report: Reporter) -> None:
    """Say when another number of processes makes a step of more rows, or of fewer, than the run has had so far."""
    record = run.read_record()
    before, train = record["run"].get("processes", 1), record["train"]
    was = before * train["micro_batch_size"] * train["gradient_accumulation_steps"]
    rows = count() * job.train.micro_batch_size * job.train.gradient_accumulation_steps
    if before != count() and was != rows:
        report.warn(
            f"the run had {before} process{'es' * (before > 1)} and a step of {was:,} rows; with {count()} it has "
            f"{rows:,}: change --gradient-accumulation-steps to keep it"
        )


def check_tokenizer(job: TrainJob, run: Run) -> None:
    """Refuse another tokenizer than the run's own, which the checkpoint's ids are of."""
    own, asked = run.read_record()["model"]["tokenizer"], job.settings["model.tokenizer"].value
    if asked != own:
        raise ReasonError(
            f"the run's tokenizer is '{own}', not '{asked}'", "leave --tokenizer out, or start a new run", usage=True
        )


def check_fits(model: PreTrainedModel, checkpoint: Path) -> None:
    """Refuse a model of another base or shape than the checkpoint: the Trainer would load what fits and say nothing."""
    from safetensors import safe_open

    adapted = adapters.is_adapted(model)
    if adapted:
        adapters.check_base(model, checkpoint)
    file_name = adapters.WEIGHTS if adapted else "model.safetensors"
    with safe_open(checkpoint / file_name, "pt") as file:
        saved = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    tensors = adapters.weights(model) if adapted else model.state_dict()
    # Tied weights are saved once, under one of their names.
    stored = {tensors[name].data_ptr() for name in saved if name in tensors}
    fits = all(name in tensors and list(tensors[name].shape) == shape for name, shape in saved.items())
    elsewhere = set(model._keys_to_ignore_on_save or ())  # what a frozen base's own files have
    saved_here = [tensor for name, tensor in tensors.items() if name not in elsewhere]
    if not fits or any(tensor.data_ptr() not in stored for tensor in saved_here):
        raise ReasonError(
            f"the settings make another model than {checkpoint} holds",
            "leave the settings of [model] as the run has them, or start a new run",
            usage=True,
        )
