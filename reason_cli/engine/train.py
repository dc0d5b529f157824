"""One training run, from a job to a run directory. Every architecture goes through here."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import Example
from reason_cli.config import TrainOptions
from reason_cli.engine import processes
from reason_cli.engine.batches import Collator
from reason_cli.engine.chat import prompt_text
from reason_cli.engine.dealing import Dealt
from reason_cli.engine.free import free_bytes
from reason_cli.engine.generate import Decoding, answer
from reason_cli.engine.job import TrainJob
from reason_cli.engine.methods import SFT, method_trainer, prepare_method
from reason_cli.engine.planning import margin
from reason_cli.engine.prepare import Prepared, Ready, prepare
from reason_cli.engine.record import record
from reason_cli.engine.report import Reporter, hush_libraries, reporter
from reason_cli.engine.resume import check_fits, check_processes, check_steps, check_tokenizer
from reason_cli.engine.shortage import is_out_of_memory
from reason_cli.engine.stream import Stream
from reason_cli.errors import ReasonError
from reason_cli.runs import Run, step_of, write_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from reason_cli.engine.callbacks import Stop
    from reason_cli.engine.trainer import Clock, Loop, ReasonTrainer

SAMPLE_TOKENS = 256


@dataclass(frozen=True)
class Trained:
    """How a run ended: its directory, its last step, the signal that cut it short, if one did, and whether its rows
    ask questions that it can be graded on.
    """

    run: Run
    step: int
    stopped_by: str | None
    asks: bool


def train(job: TrainJob, run: Run, report: Reporter, resume: Path | None = None) -> Trained:
    """Train into `run`; `resume` is a complete checkpoint to go on from.

    Of several processes (`processes.joined`) all call this, and the first writes.
    """
    hush_libraries()
    from transformers import set_seed

    report = reporter(report, run.log)
    set_seed(job.train.seed)
    check_steps(job.train, resume, report)
    _check_best(job.train)
    if resume is not None:
        check_tokenizer(job, run)
        check_processes(job, run, report)
    ready = (prepare if job.train.method == SFT else prepare_method)(job, report, resume)
    if resume is not None:
        check_fits(ready.model, resume)
    if job.train.load_best != "off" and not ready.data.held_out:
        raise ReasonError("train.load_best needs held-out rows", "set --validation or --validation-split")
    if processes.is_first():
        _write_begin(job, run, ready, resume)
    report.say(f"run:   {run.path}")
    trainer, stop = _trainer(job, run, ready, report)
    _own_randomness(job.train.seed)
    try:
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    except ReasonError:
        _keep(trainer, ready, run, report)
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        report.finish()
        raise ReasonError(
            f"out of memory after step {trainer.state.global_step}, where fewer rows at a time do not help",
            "see with `reason plan` what fits; the last checkpoint is kept",
        ) from error
    step = trainer.state.global_step
    if isinstance(ready.data.rows, Stream):
        report.say(ready.data.rows.counts())
    held_out = ready.data.held_out
    asks = not held_out or any(isinstance(item, Example) for item in held_out)
    _say_best(trainer, report)
    _say_cut(trainer, report)
    if stop.signal is not None:
        return Trained(run, step, stop.signal.name, asks)
    save_final(trainer, ready.data.tokenizer, run)
    return Trained(run, step, None, asks)


def _write_begin(job: TrainJob, run: Run, ready: Ready, resume: Path | None) -> None:
    """What a run directory holds before the first step."""
    if resume is not None:
        run.forget_metrics_after(step_of(resume))
    run.write_record(record(job, ready, run.read_record() if resume else None))
    _list_contaminated(ready, run)


def _own_randomness(seed: int) -> None:
    """From here on each process drops out other units than the rest; the first as if it were alone."""
    import torch

    rank = processes.place().rank
    if rank:
        torch.manual_seed(seed + rank)


def _check_best(options: TrainOptions) -> None:
    """Refuse to choose the best checkpoint by what is not there at every one of them."""
    if options.load_best == "off":
        return
    if options.save_steps % options.eval_steps:
        raise ReasonError(
            f"train.load_best needs a validation at each checkpoint, and save_steps {options.save_steps} "
            f"is no multiple of eval_steps {options.eval_steps}",
            "set one to the other",
            usage=True,
        )
    if options.load_best == "accuracy" and not options.eval_accuracy:
        raise ReasonError(
            "train.load_best is 'accuracy', and no questions are asked at validation", "set --eval-accuracy", usage=True
        )


def _say_best(trainer: Loop, report: Reporter) -> None:
    best = trainer.state.best_model_checkpoint
    if trainer.options.load_best != "off" and best:
        figure = f"{trainer.options.load_best} {trainer.state.best_metric:.4f}"
        report.say(f"best of the validations: {Path(best).name}, {figure}; the run ends with it")


def _say_cut(trainer: Loop, report: Reporter) -> None:
    """On a slower machine a run that the clock ends has learned less: that is no fault of the recipe."""
    step, clock = trainer.state.global_step, trainer.clock
    if clock.max_seconds and clock.seconds >= clock.max_seconds and step < clock.max_steps:
        minutes = f"{clock.max_seconds / 60:g} minutes (train.max_minutes)"
        report.say(f"time:  the run ended with its {minutes}, after {step:,} of {clock.max_steps:,} steps")


def _keep(trainer: Loop, ready: Ready, run: Run, report: Reporter) -> None:
    """Save what was learned before a stream came to rows that cannot be read: once mended, it goes on from there.

    Several processes come to such rows at different steps, so they have their last checkpoint.
    """
    report.finish()
    if isinstance(ready.data.rows, Stream) and trainer.state.global_step and processes.count() == 1:
        trainer.save_now()
        report.say(f"saved at step {trainer.state.global_step:,}: reason train --resume {run.path}")


def save_final(trainer: Loop, tokenizer: PreTrainedTokenizerBase, run: Run) -> None:
    """Write `final/` under another name first, so that it is whole whenever it is there."""
    from reason_cli.engine.sharding import whole_weights

    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    weights = whole_weights(model)
    if not processes.is_first():
        return
    partial = run.path / "final.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with trainer.average.in_place():
        model.save_pretrained(partial, state_dict=weights)
    tokenizer.save_pretrained(partial)
    shutil.rmtree(run.final, ignore_errors=True)
    partial.rename(run.final)


def _list_contaminated(ready: Ready, run: Run) -> None:
    """`contaminated.jsonl`: each training row that holds a test question, with the question it holds."""
    lines = [
        json.dumps({"source": c.source, "asked": c.asked, **asdict(c.match)}, ensure_ascii=False) + "\n"
        for c in ready.data.contaminated
    ]
    if lines:
        write_text(run.path / "contaminated.jsonl", "".join(lines))


def _trainer(job: TrainJob, run: Run, ready: Ready, report: Reporter) -> tuple[Loop, Stop]:
    """The trainer of the job's method, with all that is to happen around its steps."""
    from reason_cli.engine.callbacks import Rehearsal
    from reason_cli.engine.trainer import Clock

    clock = Clock(job.train.max_steps, job.train.max_minutes * 60)
    accuracy = _accuracy(job, ready, report)
    if not isinstance(ready, Prepared):
        trainer = method_trainer(job, run, ready, clock, accuracy)
        return trainer, _watch(trainer, job, run, ready, report)
    solving = _solving(job, run, ready, clock, accuracy)
    if ready.room.is_worth_a_rehearsal(ready.fit):
        solving.add_callback(Rehearsal(lambda: _rehearse(solving, job, ready)))
    stop = _watch(solving, job, run, ready, report)
    _watch_memory(solving, job, ready, report)
    return solving, stop


def _solving(
    job: TrainJob, run: Run, ready: Prepared, clock: Clock, accuracy: Callable[[], float] | None
) -> ReasonTrainer:
    """The trainer of solutions."""
    from reason_cli.engine.sharding import ShardedTrainer
    from reason_cli.engine.trainer import ReasonTrainer, arguments

    data = ready.data
    streams = isinstance(data.rows, Stream)
    evaluates = data.held_out_rows is not None
    sharded = job.train.parallel == "fsdp" and processes.count() > 1
    trainer = (ShardedTrainer if sharded else ReasonTrainer)(
        clock=clock,
        options=job.train,
        mixture=data.mixture,
        accuracy=accuracy,
        micro_batch_size=ready.fit.micro_batch_size,
        model=ready.model,
        args=arguments(job.train, ready.precision, ready.device.type, run, evaluates=evaluates, streams=streams),
        train_dataset=_dealt(data.rows, data.tokenizer),
        eval_dataset=_dealt(data.held_out_rows, data.tokenizer),
        processing_class=data.tokenizer,
        data_collator=Collator(data.tokenizer.pad_token_id),
    )
    if processes.count() > 1 and not trainer.model_accepts_loss_kwargs:
        raise ReasonError(
            f"several processes cannot train '{job.architecture.name}': its loss takes no num_items_in_batch",
            "leave --nproc out",
        )
    return trainer


def _watch(trainer: Loop, job: TrainJob, run: Run, ready: Ready, report: Reporter) -> Stop:
    """Figures, progress, samples, complete checkpoints and a clean stop."""
    from torch.utils.tensorboard import SummaryWriter
    from transformers import PrinterCallback
    from transformers.integrations import TensorBoardCallback

    from reason_cli.engine import callbacks

    stop = callbacks.Stop(trainer.clock)
    writer = SummaryWriter(str(run.tensorboard)) if processes.is_first() else None
    trainer.remove_callback(PrinterCallback)
    # Metrics first: it adds the figures that the others show and draw.
    metrics = callbacks.Metrics(run, trainer.tokens_seen, lambda: job.architecture.figures(ready.model))
    drawing = [TensorBoardCallback(writer)] if writer else []
    for callback in (metrics, callbacks.Progress(report, trainer.clock), *drawing, callbacks.Seal(), stop):
        trainer.add_callback(callback)
    if job.train.ema_decay:
        trainer.add_callback(callbacks.Averaging(trainer.average))
    if job.train.load_best != "off":
        trainer.add_callback(callbacks.LastValidation(stop))
    if job.train.samples:
        trainer.add_callback(callbacks.Samples(_sampler(job, ready, report, writer)))
    return stop


def _watch_memory(trainer: ReasonTrainer, job: TrainJob, ready: Prepared, report: Reporter) -> None:
    """Fewer rows at a time where memory is short; where a stream of rows stands."""
    from reason_cli.engine import callbacks

    recomputes = ready.fit.gradient_checkpointing
    size = callbacks.MicroBatch(report, lambda: trainer.micro_batch_size, gradient_checkpointing=recomputes)
    trainer.add_callback(size)
    if ready.device.type == "cpu" and ready.room.free is not None:
        least = margin(job.hardware, "cpu", ready.room.free)
        trainer.add_callback(callbacks.HeapGuard(lambda: free_bytes(ready.device), least))
    rows = ready.data.rows
    if isinstance(rows, Stream):
        batches = job.train.gradient_accumulation_steps * processes.count()
        trainer.add_callback(callbacks.StreamPlace(rows, batches))


def _rehearse(trainer: ReasonTrainer, job: TrainJob, ready: Prepared) -> None:
    """Train on the longest rows, of which nothing is kept."""
    trainer.rehearse(ready.room.longest_rows(trainer.micro_batch_size), ready.fit.memory.optimizer)
    job.architecture.figures(ready.model)  # what was counted meanwhile is no figure of the run


def _dealt(rows: Any, tokenizer: PreTrainedTokenizerBase) -> Any:
    """Rows that are known beforehand as several processes share them; all else as it is."""
    alone = processes.count() == 1 or rows is None or isinstance(rows, Stream)
    return rows if alone else Dealt(rows, tokenizer.pad_token_id)


def _accuracy(job: TrainJob, ready: Ready, report: Reporter) -> Callable[[], float] | None:
    """A function that answers the same few held-out questions and gives the share of right answers."""
    from reason_cli.engine.sharding import whole

    data, options = ready.data, job.eval
    asked = [item for item in data.held_out if isinstance(item, Example)]
    if not job.train.eval_accuracy:
        return None
    if not asked:
        report.warn("train.eval_accuracy: no question is held out, so the loss alone is watched")
        return None
    chosen = random.Random(job.train.seed).sample(asked, min(job.train.eval_accuracy, len(asked)))
    prompts = [prompt_text(data.tokenizer, e.question, data.encoder.template) for e in chosen]
    decoding = Decoding(options.batch_size, options.max_new_tokens, calculator=options.calculator)

    own = slice(processes.place().rank, None, processes.count())  # each process answers its share

    def share() -> float:
        with whole(ready.model):
            answers = answer(ready.model, data.tokenizer, prompts[own], decoding)
        found = [job.extractor.extract(given.text) for given in answers]
        right = [f is not None and job.extractor.correct(f.value, e) for f, e in zip(found, chosen[own], strict=True)]
        return processes.total(sum(right))[0] / len(chosen)

    return share


def _sampler(job: TrainJob, ready: Ready, report: Reporter, writer: Any):
    """A function that answers a few held-out questions and shows them; the first process alone does."""
    from reason_cli.engine.sharding import whole

    data = ready.data
    examples = [item for item in data.held_out if isinstance(item, Example)][: job.train.samples]
    prompts = [prompt_text(data.tokenizer, e.question, data.encoder.template) for e in examples]
    decoding = Decoding(max_new_tokens=min(SAMPLE_TOKENS, job.eval.max_new_tokens))

    def show(step: int) -> None:
        with whole(ready.model):
            asked = prompts if processes.is_first() else []
            answers = answer(ready.model, data.tokenizer, asked, decoding)
        for number, (example, given) in enumerate(zip(examples, answers, strict=False), 1):
            said = " ".join(given.text.split())
            report.say(f"  sample {number}: {example.question} -> {said} (expected {example.answer})")
            drawn = f"{example.question}\n\n{given.text}\n\nexpected {example.answer}"
            writer.add_text(f"sample {number}", drawn, step)

    return show
