"""One training run, from rows to a run directory. Every architecture goes through here."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import Architecture, ArchitectureOptions, Example, Text
from reason_cli.config import DataOptions, EvalOptions, HardwareOptions, Settings, TrainOptions
from reason_cli.engine import tokenizers
from reason_cli.engine.chat import plain_texts, prompt_text
from reason_cli.engine.data import Collator, TokenDataset, split_held_out, tokenise
from reason_cli.engine.generate import Decoding, answer
from reason_cli.engine.hardware import Precision, bf16_gain, describe, pick_device, pick_precision
from reason_cli.engine.report import Logged, Reporter, hush_libraries
from reason_cli.engine.sources import Loaded, Source, load
from reason_cli.errors import ReasonError
from reason_cli.runs import RUN_SOURCE, Run, step_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from reason_cli.engine.trainer import ReasonTrainer

TOKENIZER_ROWS = 20_000  # rows that a BPE is trained on; more change its merges little
SAMPLE_TOKENS = 256


@dataclass(frozen=True)
class TrainJob:
    """All that a run is made of; every name is already an object."""

    architecture: Architecture
    options: ArchitectureOptions
    tokenizer: str
    sources: tuple[Source, ...]
    data: DataOptions
    train: TrainOptions
    eval: EvalOptions
    hardware: HardwareOptions
    settings: Settings
    version: str


@dataclass
class Prepared:
    """A job's data and model, ready to train."""

    tokenizer: PreTrainedTokenizerBase
    rows: TokenDataset
    held_out_rows: TokenDataset | None
    held_out: list[Example | Text]
    model: PreTrainedModel
    device: torch.device
    precision: Precision
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """How a run ended: its directory, its last step, and the signal that cut it short, if one did."""

    run: Run
    step: int
    stopped_by: str | None


def train(job: TrainJob, run: Run, report: Reporter, resume: Path | None = None) -> Trained:
    """Train into `run`; `resume` is a complete checkpoint to go on from."""
    from transformers import set_seed

    hush_libraries()
    report = Logged(report, run.log)
    set_seed(job.train.seed)
    _check_steps(job.train, resume, report)
    if resume is not None:
        _check_tokenizer(job, run)
    ready = prepare(job, report, resume)
    if resume is not None:
        _check_fits(ready.model, resume)
        run.forget_metrics_after(step_of(resume))
    run.write_record(record(job, ready, run.read_record() if resume else None))
    report.say(f"run:   {run.path}")
    trainer, stop = _trainer(job, run, ready, report)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    step = trainer.state.global_step
    if stop.signal is not None:
        return Trained(run, step, stop.signal.name)
    save_final(trainer.accelerator.unwrap_model(trainer.model), ready.tokenizer, run)
    return Trained(run, step, None)


def _check_tokenizer(job: TrainJob, run: Run) -> None:
    """Refuse another tokenizer than the run's own, which the checkpoint's ids are of."""
    own, asked = run.read_record()["model"]["tokenizer"], job.settings["model.tokenizer"].value
    if asked != own:
        raise ReasonError(
            f"the run's tokenizer is '{own}', not '{asked}'", "leave --tokenizer out, or start a new run", usage=True
        )


def _check_fits(model: PreTrainedModel, checkpoint: Path) -> None:
    """Refuse a model of another shape than the checkpoint: the Trainer would load what fits and say nothing."""
    from safetensors import safe_open

    with safe_open(checkpoint / "model.safetensors", "pt") as file:
        saved = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    tensors = model.state_dict()
    # Tied weights are saved once, under one of their names.
    stored = {tensors[name].data_ptr() for name in saved if name in tensors}
    fits = all(name in tensors and list(tensors[name].shape) == shape for name, shape in saved.items())
    if not fits or any(tensor.data_ptr() not in stored for tensor in tensors.values()):
        raise ReasonError(
            f"the settings make another model than {checkpoint} holds",
            "leave the settings of [model] as the run has them, or start a new run",
            usage=True,
        )


def _check_steps(options: TrainOptions, resume: Path | None, report: Reporter) -> None:
    """Refuse a run that has nothing left to do; say when the learning rate will never reach its peak."""
    done = step_of(resume) if resume else 0
    if done >= options.max_steps:
        raise ReasonError(f"step {done} of {options.max_steps} is done", "raise --max-steps to go on", usage=True)
    if options.warmup_steps >= options.max_steps:
        report.warn(
            f"warm-up takes {options.warmup_steps:,} steps and the run {options.max_steps:,}: "
            "the learning rate never reaches its peak; lower --warmup-steps"
        )


# --- before the first step ---------------------------------------------------------------------------------


def prepare(job: TrainJob, report: Reporter, resume: Path | None = None) -> Prepared:
    """Rows, tokenizer, labels, model, device and precision, each said as it becomes known."""
    device = pick_device(job.hardware)
    loaded = [load_training_rows(job, source, report) for source in job.sources]
    items = [item for part in loaded for item in part.items]
    training, held_out = split_held_out(items, job.data.validation_split, job.train.seed)
    tokenizer = _tokenizer(job, training, resume)
    rows, held_out_rows = (_tokenise(job, tokenizer, part, report) for part in (training, held_out))
    assert rows is not None
    report.say(
        f"data: {len(rows):,} rows, {rows.tokens:,} tokens ({rows.trained_tokens:,} trained), "
        f"{len(held_out):,} rows held out; tokenizer of {len(tokenizer):,}"
    )
    model = job.architecture.build(job.options, tokenizer)
    if job.train.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    precision = pick_precision(job.hardware.precision, device, lambda: _probe(job, model, rows, tokenizer))
    ready = Prepared(tokenizer, rows, held_out_rows, held_out, model.to(device), device, precision)  # type: ignore[arg-type]
    engines = job.architecture.describe(ready.model)
    ready.facts = {"data": [part.summary() for part in loaded], "engines": dict(engines)}
    notes = "".join(f", {key} {value}" for key, value in engines.items())
    report.say(
        f"model: {job.architecture.name}, {ready.model.num_parameters():,} parameters on {device.type}, "
        f"{precision.name} ({precision.why}){notes}"
    )
    return ready


def load_training_rows(job: TrainJob, source: Source, report: Reporter) -> Loaded:
    """The rows of one source; of an endless one as many as `max_rows` says."""
    formatter = source.formatter
    endless = not formatter.hub and not formatter.suffixes
    take = source.spec.take or (job.data.max_rows if endless else 0)
    return load(source, take=take, seed=job.train.seed, refuse_bad=job.data.bad_rows == "refuse", report=report)


def _tokenizer(job: TrainJob, items: list[Example | Text], resume: Path | None) -> PreTrainedTokenizerBase:
    if resume is not None:
        return tokenizers.load(str(resume))
    return tokenizers.build(job.tokenizer, plain_texts(items[:TOKENIZER_ROWS], job.data.system_prompt))


def _tokenise(
    job: TrainJob, tokenizer: PreTrainedTokenizerBase, items: list[Example | Text], report: Reporter
) -> TokenDataset | None:
    if not items:
        return None
    return tokenise(
        tokenizer,
        items,
        system_prompt=job.data.system_prompt,
        max_seq_len=job.options.max_seq_len,
        refuse_long=job.data.too_long == "refuse",
        report=report,
    )


def _probe(job: TrainJob, model: PreTrainedModel, rows: TokenDataset, tokenizer: PreTrainedTokenizerBase) -> float:
    count = min(len(rows), job.train.micro_batch_size)
    batch = Collator(tokenizer.pad_token_id)([rows[i] for i in range(count)])
    return bf16_gain(model, batch)


def _leave_out_unused(job: TrainJob, values: dict[str, Any], sources: dict[str, Any]) -> None:
    """Drop the tables of datasets that play no part: the run must be readable where their plugins are not."""
    used = {source.formatter.name for source in job.sources}
    tables = [name for name, table in sources.items() if isinstance(table, dict)]
    for name in tables:
        if name not in used and set(sources[name].values()) == {"default"}:
            del values[name], sources[name]


def record(job: TrainJob, ready: Prepared, earlier: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What `run.toml` holds: every value, where each came from, and what this run ran on.

    `earlier` is the record of the run that is gone on with: its start stays, and so do the sources of the values
    that were taken over from it.
    """
    import torch
    import transformers

    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    values, sources = job.settings.as_tables()
    _leave_out_unused(job, values["data"], sources["data"])
    facts = {
        "architecture": job.architecture.name,
        "started": earlier["run"]["started"] if earlier else now,
        "resumed": [*earlier["run"].get("resumed", []), now] if earlier else [],
        "seed": job.train.seed,
        "parameters": ready.model.num_parameters(),
        "precision": ready.precision.name,
        "precision_because": ready.precision.why,
        "training_rows": len(ready.rows),
        "training_tokens": ready.rows.tokens,
        "held_out_rows": len(ready.held_out),
        **ready.facts,
        "hardware": describe(ready.device),
        "versions": {
            "reason": job.version,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }
    return {"run": facts, **values, "sources": _kept_sources(sources, earlier["sources"]) if earlier else sources}


def _kept_sources(sources: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """`sources`, but where one says no more than 'the run', what the run itself said."""
    kept: dict[str, Any] = {}
    for name, source in sources.items():
        if isinstance(source, Mapping):
            kept[name] = _kept_sources(source, earlier.get(name, {}))
        else:
            kept[name] = earlier.get(name, source) if source.startswith(RUN_SOURCE) else source
    return kept


# --- the loop ------------------------------------------------------------------------------------------------


def _trainer(job: TrainJob, run: Run, ready: Prepared, report: Reporter) -> tuple[ReasonTrainer, Any]:
    from torch.utils.tensorboard import SummaryWriter
    from transformers import PrinterCallback
    from transformers.integrations import TensorBoardCallback

    from reason_cli.engine import callbacks
    from reason_cli.engine.trainer import Clock, ReasonTrainer, arguments

    clock = Clock(job.train.max_steps, job.train.max_minutes * 60)
    stop = callbacks.Stop(clock)
    writer = SummaryWriter(str(run.tensorboard))
    trainer = ReasonTrainer(
        clock=clock,
        options=job.train,
        model=ready.model,
        args=arguments(job.train, ready.precision, ready.device.type, run, ready.held_out_rows is not None),
        train_dataset=ready.rows,
        eval_dataset=ready.held_out_rows,
        processing_class=ready.tokenizer,
        data_collator=Collator(ready.tokenizer.pad_token_id),
    )
    trainer.remove_callback(PrinterCallback)
    # Metrics first: it adds the figures that the others show and draw.
    metrics = callbacks.Metrics(run, trainer.tokens_seen)
    for callback in (metrics, callbacks.Progress(report, clock), TensorBoardCallback(writer), callbacks.Seal(), stop):
        trainer.add_callback(callback)
    if job.train.samples:
        trainer.add_callback(callbacks.Samples(_sampler(job, ready, report, writer)))
    return trainer, stop


def _sampler(job: TrainJob, ready: Prepared, report: Reporter, writer: Any):
    """A function that answers a few held-out questions and shows them."""
    examples = [item for item in ready.held_out if isinstance(item, Example)][: job.train.samples]
    prompts = [prompt_text(ready.tokenizer, e.question, job.data.system_prompt) for e in examples]

    def show(step: int) -> None:
        answers = answer(ready.model, ready.tokenizer, prompts, Decoding(max_new_tokens=SAMPLE_TOKENS))
        for number, (example, given) in enumerate(zip(examples, answers, strict=True), 1):
            said = " ".join(given.text.split())
            report.say(f"  sample {number}: {example.question} -> {said} (expected {example.answer})")
            drawn = f"{example.question}\n\n{given.text}\n\nexpected {example.answer}"
            writer.add_text(f"sample {number}", drawn, step)

    return show


# --- after the last step -------------------------------------------------------------------------------------


def save_final(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, run: Run) -> None:
    """Write `final/` under another name first, so that it is whole whenever it is there."""
    partial = run.path / "final.partial"
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    shutil.rmtree(run.final, ignore_errors=True)
    partial.rename(run.final)


def newest_checkpoint(run: Run) -> Path:
    """Where to resume from. Raises `ReasonError` when no checkpoint was written to its end."""
    complete = run.complete_checkpoints()
    if not complete:
        raise ReasonError(f"{run.path} has no complete checkpoint to go on from", "start a new run")
    return complete[-1]
