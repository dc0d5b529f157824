"""The questions that a model answers to learn from its own answers: prompts as it is evaluated with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reason_cli.api import Example
from reason_cli.engine.chat import prompt_text, token_ids
from reason_cli.engine.job import TrainJob
from reason_cli.engine.report import Reporter
from reason_cli.engine.tokens import Encoder
from reason_cli.engine.training_rows import Lessons, benchmarks_of, gather, template_of, tokenizer_of
from reason_cli.errors import ReasonError


@dataclass(frozen=True)
class Questions:
    """Examples and the prompt of each; `tokens` are those of all prompts."""

    examples: Sequence[Example]
    prompts: Sequence[str]
    tokens: int

    def __len__(self) -> int:
        return len(self.examples)


def questions(job: TrainJob, room: int, report: Reporter, resume: Path | None) -> Lessons:
    """The questions of a job's rows, without those whose prompt leaves less than `room` tokens for an answer.

    Raises `ReasonError` when rows ask nothing that can be graded, or when no question is left.
    """
    found = gather(job, benchmarks_of(job, report), report)
    items = [item for group in found.training for item in group]
    examples = [item for item in items if isinstance(item, Example)]
    if len(examples) < len(items):
        raise ReasonError(
            f"{len(items) - len(examples):,} of {len(items):,} rows are no questions with an answer",
            "train.method grpo learns from answers that can be graded: leave these datasets out",
        )
    tokenizer = tokenizer_of(job, items, resume, report)
    encoder = Encoder(tokenizer, template_of(job), job.options.max_seq_len)
    prompts = [prompt_text(tokenizer, example.question, encoder.template) for example in examples]
    lengths = list(map(len, token_ids(tokenizer, prompts)))
    kept = [n for n, length in enumerate(lengths) if length + room <= job.options.max_seq_len]
    _say_long(job, len(examples) - len(kept), room, report)
    rows = Questions([examples[n] for n in kept], [prompts[n] for n in kept], sum(lengths[n] for n in kept))
    report.say(
        f"data: {len(rows):,} questions, {rows.tokens:,} tokens, {len(found.held_out):,} held out; "
        f"tokenizer of {len(tokenizer):,}"
    )
    return Lessons(tokenizer, encoder, rows, found.held_out, contaminated=found.contaminated, summaries=found.summaries)


def _say_long(job: TrainJob, count: int, room: int, report: Reporter) -> None:
    if not count:
        return
    limit = f"leave no room for {room:,} tokens within model.max_seq_len {job.options.max_seq_len:,}"
    if job.data.too_long == "refuse":
        raise ReasonError(f"{count:,} questions {limit}", "raise it, lower the answer's length, or --too-long drop")
    report.warn(f"{count:,} questions {limit}: dropped")
