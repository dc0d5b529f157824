"""From a job to what is ready to train: rows, tokenizer, labels, model, device and precision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reason_cli.api import Example, Text
from reason_cli.engine import tokenizers
from reason_cli.engine.chat import plain_texts
from reason_cli.engine.data import Collator, TokenDataset, split_held_out, tokenise
from reason_cli.engine.hardware import bf16_gain, pick_device, pick_precision
from reason_cli.engine.job import Prepared, TrainJob
from reason_cli.engine.report import Reporter
from reason_cli.engine.sources import Loaded, Source, load

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENIZER_ROWS = 20_000  # rows that a BPE is trained on; more change its merges little


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
    take = source.spec.take or (job.data.max_rows if source.endless else 0)
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
