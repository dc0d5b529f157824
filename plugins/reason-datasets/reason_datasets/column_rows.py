"""Rows of `columns`, read by the columns that the options name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reason_cli import BadRow, Chat, Example, Item, ReasonError, Text, Turn, option
from reason_datasets.conversations import chat_of
from reason_datasets.fields import document_of, text_of, value_of, written_of


@dataclass(frozen=True)
class ColumnsOptions:
    """Which columns hold what; nothing said means that the first rows tell."""

    text_column: str = option("", "columns in order, the last one the answer; a single one is plain text")
    question: str = option("", "column with the question; of several, joined by commas, blank ones are skipped")
    reasoning: str = option("", "column with the worked solution")
    answer: str = option("", "column with the answer")
    reply: str = option("", "column with a reply that has no short answer; gives a conversation")
    text: str = option("", "column with a plain document")
    messages: str = option("", "column with a conversation: turns of role and content, or of from and value")
    mark: str = option("", "where one column holds reasoning and answer: what stands between them, such as ####")


def read(row: Mapping[str, Any], options: ColumnsOptions) -> Item | None:
    """What a row says; `None` for a conversation in which the assistant says nothing."""
    if options.text_column or not (options.messages or options.text or options.answer or options.reply):
        options = _fitted(row, options)
    if options.messages:
        return chat_of(row, options.messages)
    if options.text:
        return Text(document_of(row, options.text))
    question = _joined(row, options.question.split(","))
    if options.reply:
        return Chat((Turn("user", question), Turn("assistant", text_of(row, options.reply))))
    reasoning, answer = _solved(row, options)
    return Example(question, reasoning, answer)


def _fitted(row: Mapping[str, Any], options: ColumnsOptions) -> ColumnsOptions:
    """What a row alone says of its columns, where nobody has looked at the first rows."""
    if not isinstance(row, Mapping):
        raise BadRow(f"the row is a {type(row).__name__}, not an object")
    from reason_datasets.schema import detect  # it needs the options of this module

    try:
        return detect([row], options)
    except ReasonError as error:
        raise BadRow(error.message) from None


def _joined(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    """The texts of the columns, blank lines between them; those after the first may be blank or missing."""
    if len(columns) == 1:
        return written_of(row, columns[0])
    value_of(row, columns[0])
    texts = [written_of(row, column) for column in columns if not _blank(row.get(column))]
    if not texts:
        raise BadRow(f"columns {' and '.join(map(repr, columns))} are empty")
    return "\n\n".join(texts)


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _solved(row: Mapping[str, Any], options: ColumnsOptions) -> tuple[str, str]:
    """The reasoning and the answer, from two columns, or from one with a mark in it."""
    beside = options.reasoning and not _blank(value_of(row, options.reasoning))
    reasoning = written_of(row, options.reasoning) if beside else ""
    answer = written_of(row, options.answer)
    if not options.mark:
        return reasoning, answer
    before, mark, after = answer.rpartition(options.mark)
    if not mark or not after.strip():
        raise BadRow(f"no answer after {options.mark!r} in column {options.answer!r}")
    return "\n".join(text for text in (reasoning, before.strip()) if text), after.strip()
