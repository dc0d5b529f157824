"""Methods of training through TRL: what each refuses, what it learns from, and its trainer."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.config import NO_WEIGHT, DpoOptions, GrpoOptions
from reason_cli.engine.hardware import pick_device, pick_precision
from reason_cli.engine.initial import first_model, origin, warn_of_other_rows
from reason_cli.engine.job import TrainJob
from reason_cli.engine.report import Reporter
from reason_cli.engine.training_rows import Lessons, streams
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from reason_cli.engine.prepare import Ready
    from reason_cli.engine.trainer import Clock, Loop
    from reason_cli.runs import Run

SFT, GRPO, DPO = "sft", "grpo", "dpo"
# What a method cannot do, as (setting, values that ask for it, why).
UNFIT: dict[str, tuple[tuple[str, tuple[Any, ...], str], ...]] = {
    "both": (
        ("data.streaming", ("on",), "reads all its rows first"),
        ("data.packing", ("all",), "has one row for each question"),
        ("train.compile", (True,), "is not compiled"),
        ("train.parallel", ("fsdp",), "trains in one process"),
    ),
    GRPO: (("train.load_best", ("loss",), "has no validation loss; there is 'accuracy'"),),
    DPO: (("train.load_best", ("accuracy",), "grades no answers; there is 'loss'"),),
}


def check_method(job: TrainJob, processes: int) -> None:
    """Refuse what cannot go together. Raises `ReasonError` in one line; nothing that is set is passed over."""
    method = job.train.method
    _check_tables(job, method)
    if method == SFT:
        return
    if find_spec("trl") is None:
        raise ReasonError(f"train.method {method} needs TRL, which is not installed", 'pip install "reason-cli[rl]"')
    if not job.architecture.causal:
        raise ReasonError(
            f"'{job.architecture.name}' writes no text, as {method} needs", "leave --method out", usage=True
        )
    if not (job.train.init_from or job.architecture.adapts):
        hint = "name a run or a folder with --init-from"
        raise ReasonError(f"train.method {method} begins with a trained model", hint, usage=True)
    if processes > 1:
        raise ReasonError(f"train.method {method} trains in one process", "leave --nproc out", usage=True)
    for path, values, why in (*UNFIT["both"], *UNFIT[method]):
        if job.settings[path].value in values:
            raise ReasonError(f"{path} {_said(job.settings[path].value)}: {method} {why}", "leave it out", usage=True)
    if streams(job):
        raise ReasonError(f"the rows are too large to be read at once, as {method} does", "use @N", usage=True)
    if job.hardware.vram:
        raise ReasonError(f"hardware.vram: no memory is planned for {method}", "leave it out", usage=True)
    if any(source.weight != NO_WEIGHT for source in job.sources):
        raise ReasonError(f"weights of data.sources: {method} takes all rows once a pass", "use @N", usage=True)
    if method == GRPO:
        _check_grpo(job)
    elif job.train.eval_accuracy:
        raise ReasonError("train.eval_accuracy: dpo grades no answers", "evaluate with `reason eval`", usage=True)


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_tables(job: TrainJob, method: str) -> None:
    """Refuse an option of another method, were it only so that nobody believes it to work."""
    for key, setting in job.settings.items():
        if key.table in (GRPO, DPO) and key.table != method and setting.value != key.default:
            raise ReasonError(
                f"{key.path} is for train.method {key.table}, and this is {method} ({setting.source})",
                f"set --method {key.table}, or leave it out",
                usage=True,
            )


def _check_grpo(job: TrainJob) -> None:
    options = job.settings.make(GrpoOptions, GRPO)
    answers = job.train.micro_batch_size * job.train.gradient_accumulation_steps
    if answers % options.num_generations:
        raise ReasonError(
            f"grpo.num_generations {options.num_generations} does not divide the {answers} answers of a step",
            "change --micro-batch-size or --gradient-accumulation-steps",
            usage=True,
        )
    others = sorted({source.formatter.extractor for source in job.sources} - {job.extractor.name})
    if others and not job.settings["eval.extractor"].value:
        raise ReasonError(
            f"the datasets are graded by several extractors: {job.extractor.name}, {', '.join(others)}",
            "name one with --set eval.extractor=…, or train on one dataset",
            usage=True,
        )


def prepare_method(job: TrainJob, report: Reporter, resume: Path | None) -> Ready:
    """Rows, tokenizer, model, device and precision of a method other than `sft`, each said as it becomes known."""
    from reason_cli.engine.prepare import Ready, placed, say_model
    from reason_cli.engine.subject import keep_ends_alone

    device = pick_device(job.hardware)
    data = _lessons(job, report, resume)
    warn_of_other_rows(data.summaries, resume, report)
    model = placed(first_model(job, data.tokenizer, resume), device)
    keep_ends_alone(model, data.tokenizer)
    facts = {**origin(job, resume), "data": data.summaries, "engines": dict(job.architecture.describe(model))}
    ready = Ready(data, model, device, pick_precision(job.hardware.precision, device), facts=facts)
    say_model(job, ready, report)
    return ready


def _lessons(job: TrainJob, report: Reporter, resume: Path | None) -> Lessons:
    from reason_cli.engine.preferences import preferences
    from reason_cli.engine.questions import questions

    if job.train.method == DPO:
        return preferences(job, job.settings.make(DpoOptions, DPO), report, resume)
    return questions(job, job.settings.make(GrpoOptions, GRPO).max_completion_length, report, resume)


def method_trainer(job: TrainJob, run: Run, ready: Ready, clock: Clock, accuracy: Callable[[], float] | None) -> Loop:
    """The trainer of a method other than `sft`."""
    if job.train.method == DPO:
        from reason_cli.engine.dpo import dpo_trainer

        return dpo_trainer(job, run, ready, clock)
    from reason_cli.engine.grpo import grpo_trainer

    return grpo_trainer(job, run, ready, clock, accuracy)
