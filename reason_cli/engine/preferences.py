"""Preferences: what was asked, a better reply and a worse one, read from the columns of any file or hub id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import BadRow, Chat, DatasetFormatter, Turn
from reason_cli.config import DpoOptions
from reason_cli.engine.chat import segments, token_ids
from reason_cli.engine.columns import column_names, value_at
from reason_cli.engine.job import TrainJob
from reason_cli.engine.reading import Loaded, load
from reason_cli.engine.report import Reporter
from reason_cli.engine.sources import Source
from reason_cli.engine.tokens import Encoder
from reason_cli.engine.training_rows import (
    Lessons,
    benchmarks_of,
    gather,
    take_of,
    template_of,
    tokenizer_of,
)
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROMPTS = ("prompt", "question", "instruction")


@dataclass(frozen=True)
class Pair(Chat):
    """A conversation that ends with the better reply, and the worse one in its place."""

    rejected: str = ""


@dataclass(frozen=True)
class Pairs:
    """Token ids of what is asked, and of either reply with its end token; `rows` are as TRL takes them."""

    rows: Sequence[Mapping[str, list[int]]]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def tokens(self) -> int:
        """Those of all rows, what is asked counted once."""
        return sum(len(ids) for row in self.rows for ids in row.values())


class Preferences(DatasetFormatter):
    """Rows with three columns; a reply, and what is asked, is a text or a list of turns of role and content."""

    name = "preferences"
    help = "rows with a better and a worse reply"
    Options = DpoOptions

    def fit(self, rows: Sequence[Mapping[str, Any]], options: DpoOptions) -> DpoOptions:
        """The options with the column of what is asked. Raises `ReasonError` for a column that is not there."""
        known = sorted({name for row in rows for name in row})
        prompt = options.prompt or next((name for name in PROMPTS if name in known), "")
        for key, column in (("prompt", prompt), ("chosen", options.chosen), ("rejected", options.rejected)):
            if rows and not any(_has(row, column) for row in rows):
                what = f"no column '{column}'" if column else f"no column {', '.join(PROMPTS[:-1])} or {PROMPTS[-1]}"
                columns = ", ".join(column_names(rows[0]))
                raise ReasonError(f"{what} to prefer by", f"name it with --set dpo.{key}=…: {columns}")
        return replace(options, prompt=prompt)

    def describe(self, options: DpoOptions) -> str:
        return f"prompt <- {options.prompt}, chosen <- {options.chosen}, rejected <- {options.rejected}"

    def format(self, row: Mapping[str, Any], options: DpoOptions) -> Pair:
        asked = _turns(row, options.prompt, "user")
        chosen, rejected = (_turns(row, column, "assistant") for column in (options.chosen, options.rejected))
        if chosen[-1].text == rejected[-1].text:
            raise BadRow("both replies are the same")
        return Pair((*asked, Turn("assistant", chosen[-1].text)), rejected=rejected[-1].text)


def _has(row: Mapping[str, Any], column: str) -> bool:
    try:
        value_at(row, column)
    except KeyError:
        return False
    return True


def _turns(row: Mapping[str, Any], column: str, role: str) -> list[Turn]:
    """What stands in a column: a text of a role, or turns, the last of that role."""
    try:
        value = value_at(row, column)
    except KeyError:
        raise BadRow(f"no column '{column}'") from None
    if isinstance(value, str):
        value = [{"role": role, "content": value}]
    try:
        turns = [Turn(str(turn["role"]), str(turn["content"])) for turn in value]
    except (TypeError, KeyError):
        raise BadRow(f"column '{column}' is neither text nor turns of role and content") from None
    if not turns or not turns[-1].text.strip() or turns[-1].role != role:
        raise BadRow(f"column '{column}' does not end with a text of the {role}")
    return turns


def preferences(job: TrainJob, options: DpoOptions, report: Reporter, resume: Path | None) -> Lessons:
    """The pairs of a job's rows. An answer is never cut: a pair over the length limit is dropped, or refused."""

    def read(job: TrainJob, source: Source, report: Reporter) -> Loaded:
        if source.place is None:
            hint = "name a file or a hub id with a better and a worse reply"
            raise ReasonError(f"'{source.label}' is made on the spot and has no preferences", hint, usage=True)
        pairs = replace(source, formatter=Preferences(), options=options)
        refuse = job.data.bad_rows == "refuse"
        return load(pairs, take=take_of(job, source), seed=job.train.seed, refuse_bad=refuse, report=report)

    found = gather(job, benchmarks_of(job, report), report, read)
    items = [item for group in found.training for item in group]
    tokenizer = tokenizer_of(job, items, resume, report)
    encoder = Encoder(tokenizer, template_of(job), job.options.max_seq_len)
    rows = encoded(encoder, items, refuse_long=job.data.too_long == "refuse", report=report)
    report.say(
        f"data: {len(rows):,} pairs, {rows.tokens:,} tokens, {len(found.held_out):,} held out; "
        f"tokenizer of {len(tokenizer):,}"
    )
    return Lessons(tokenizer, encoder, rows, found.held_out, contaminated=found.contaminated, summaries=found.summaries)


def encoded(encoder: Encoder, pairs: Sequence[Any], *, refuse_long: bool, report: Reporter) -> Pairs:
    """The ids of pairs. Raises `ReasonError` for one that is too long if `refuse_long`, or when none is left."""
    rows = [_ids(encoder, pair) for pair in pairs]
    if not rows:
        return Pairs([])
    limit = encoder.max_seq_len
    kept = [r for r in rows if len(r["prompt_ids"]) + max(len(r["chosen_ids"]), len(r["rejected_ids"])) <= limit]
    lost = len(rows) - len(kept)
    if lost and (refuse_long or not kept):
        hint = "raise it, or --too-long drop" if kept else "raise it"
        raise ReasonError(f"{lost:,} pairs are longer than model.max_seq_len {limit:,}", hint)
    if lost:
        report.warn(f"{lost:,} of {len(rows):,} pairs are longer than {limit:,} tokens: dropped")
    return Pairs(kept)


def _ids(encoder: Encoder, pair: Pair) -> dict[str, list[int]]:
    worse = Chat((*pair.turns[:-1], Turn("assistant", pair.rejected)))
    *given, chosen = _pieces(encoder, pair)
    *_, rejected = _pieces(encoder, worse)
    return {"prompt_ids": [i for ids in given for i in ids], "chosen_ids": chosen, "rejected_ids": rejected}


def _pieces(encoder: Encoder, item: Chat) -> list[list[int]]:
    tokenizer: PreTrainedTokenizerBase = encoder.tokenizer
    return token_ids(tokenizer, list(segments(tokenizer, item, encoder.template)))
