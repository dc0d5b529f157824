"""What the columns of unknown rows hold, told by their names and by the first values. Refuses to guess."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from reason_cli import ReasonError
from reason_datasets.column_rows import ColumnsOptions
from reason_datasets.conversations import is_conversation

QUESTIONS = ("question", "problem", "query", "instruction", "prompt", "input")
ANSWERS = ("answer", "output", "response", "completion", "solution", "target", "final_answer")
REASONINGS = ("reasoning", "rationale", "cot", "explanation")
TEXTS = ("text", "content", "code", "document")

PROSE = 100  # characters: half of the values longer than this, or of several lines, are no short answers
MARK = "####"
REMEDY = 'name the columns, the answer last: --text-column "question,answer"; a single name is plain text'

Rows = Sequence[Mapping[str, Any]]


def detect(rows: Rows, options: ColumnsOptions) -> ColumnsOptions:
    """The options with the columns that they leave open. Raises `ReasonError` if there is not one way to read them."""
    columns = list(dict.fromkeys(str(column) for row in rows for column in row))
    _check(columns, options)
    named = options.answer
    if options.text_column:
        options = _from_list(_names(options.text_column), options)
    elif not (options.messages or options.text):
        options = _detected(rows, columns, options)
    return _answered(rows, options, named)


def _check(columns: Sequence[str], options: ColumnsOptions) -> None:
    named = (options.text_column, options.question, options.reasoning, options.answer, options.reply)
    for name in (*(n for list_ in named for n in _names(list_)), options.text, options.messages):
        if name and name not in columns:
            raise ReasonError(f"no column {name!r}; the columns are: {', '.join(columns) or 'none'}", REMEDY)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _from_list(names: Sequence[str], options: ColumnsOptions) -> ColumnsOptions:
    if len(names) == 1:
        return replace(options, text_column="", text=names[0])
    return replace(options, text_column="", question=",".join(names[:-1]), answer=names[-1])


def _detected(rows: Rows, columns: Sequence[str], options: ColumnsOptions) -> ColumnsOptions:
    """Fill in what is not named; what is named decides the kind."""
    asked = bool(options.question or options.answer or options.reply)
    questions = [options.question] if options.question else _questions(columns, options)
    answers = [options.answer or options.reply] if options.answer or options.reply else _of(columns, ANSWERS)
    reasoning = options.reasoning or _reasoning(columns, answers)
    answers = [a for a in answers if a not in (reasoning, *_names(options.question))] or answers
    pairs = [(q, a) for q in questions for a in answers if a not in _names(q)]
    talks = [] if asked else [c for c in columns if any(is_conversation(row.get(c)) for row in rows)]
    texts = [] if asked else _of(columns, TEXTS) or ([] if talks else _lone_text(rows, columns))
    if len(pairs) + len(talks) + len(texts) != 1:
        raise _unclear(columns, pairs, talks, texts)
    if talks:
        return replace(options, messages=talks[0])
    if texts:
        return replace(options, text=texts[0])
    question, answer = pairs[0]
    answer = "" if options.reply else answer
    return replace(options, question=question, answer=answer, reasoning="" if options.reply else reasoning)


def _lone_text(rows: Rows, columns: Sequence[str]) -> list[str]:
    """The only column there is, if it holds text."""
    lone = len(columns) == 1 and all(isinstance(row[columns[0]], str) for row in rows if columns[0] in row)
    return [*columns] if lone else []


def _of(columns: Sequence[str], family: Sequence[str]) -> list[str]:
    return [column for column in columns if column.lower() in family]


def _questions(columns: Sequence[str], options: ColumnsOptions) -> list[str]:
    """The columns that may hold the question; Alpaca's instruction and input are one."""
    found = [c for c in _of(columns, QUESTIONS) if c not in (options.answer, options.reply, options.reasoning)]
    found.sort(key=lambda column: QUESTIONS.index(column.lower()))
    return [",".join(found)] if [c.lower() for c in found] == ["instruction", "input"] else found


def _reasoning(columns: Sequence[str], answers: Sequence[str]) -> str:
    """The column with the worked solution, if there is one beside the answer."""
    found = _of(columns, REASONINGS) or [c for c in _of(columns, ["solution"]) if len(answers) == 2 or c not in answers]
    return found[0] if len(found) == 1 and [*answers] != found else ""


def _answered(rows: Rows, options: ColumnsOptions, named: str) -> ColumnsOptions:
    """Look into the answers: they may end with a mark, or be prose, unless they are `named` answers."""
    values = [row[options.answer] for row in rows if isinstance(row.get(options.answer), str)]
    if not values or options.mark:
        return options
    if all(re.search(rf"{MARK}[ \t]*\S[^\n]*\s*\Z", value) for value in values):
        return replace(options, mark=MARK)
    prose = median(len(v.strip()) for v in values) > PROSE or median("\n" in v.strip() for v in values) > 0.5
    short = named or options.reasoning or not prose
    return options if short else replace(options, answer="", reply=options.answer)


def _unclear(
    columns: Sequence[str], pairs: Sequence[tuple[str, str]], talks: Sequence[str], texts: Sequence[str]
) -> ReasonError:
    ways = [f"{question} -> {answer}" for question, answer in pairs]
    ways += [f"conversation {name}" for name in talks] + [f"text {name}" for name in texts]
    if ways:
        return ReasonError(f"the columns can be read in {len(ways)} ways: {'; '.join(ways)}", REMEDY)
    return ReasonError(f"no telling what the columns hold: {', '.join(columns) or 'none'}", REMEDY)
