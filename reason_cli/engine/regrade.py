"""Answers that stand in a file, of any tool or of an evaluation of ours, graded again without a model.

Rows are read one at a time. What cannot be graded is counted and named, and the rest is graded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reason_cli.api import AnswerExtractor, BadRow, Example
from reason_cli.engine.columns import check_column, value_at
from reason_cli.engine.files import rows
from reason_cli.engine.graded import RESULTS, SAMPLES, evaluation_folder
from reason_cli.engine.grading import Said, Sample, grade
from reason_cli.errors import ReasonError

EXTRACTOR = "number"
TEXT, GOLD = "text", "gold"  # the columns, unless others are named
OURS = ("output", "expected")  # those of an evaluation's samples
QUESTIONS = ("question", "problem", "doc.question", "doc.problem")
MOST_NAMED = 3  # bad rows


@dataclass(frozen=True)
class Source:
    """What is graded: where its rows are, and the columns of the text and of the expected answer.

    `results` are those of the evaluation that the rows are of, empty for any other file.
    """

    path: Path
    text: str
    gold: str
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def extractor(self) -> str:
        """The name of the extractor that graded before, or the usual one."""
        return str(self.results.get("settings", {}).get("extractor", EXTRACTOR))


@dataclass(frozen=True)
class Regraded:
    """A row, its sample, and whether it was right before; `None` if nobody said."""

    row: Mapping[str, Any]
    sample: Sample
    before: bool | None


@dataclass
class Counts:
    """What became of the rows. `newly_right` and `newly_wrong` are against the grading before."""

    rows: int = 0
    bad: int = 0
    named: list[str] = field(default_factory=list)  # the first bad rows, each with its reason
    filter: str = ""  # of lm-evaluation-harness, the one whose rows are graded
    passed_over: int = 0  # rows of its other filters, which repeat the same answers
    regraded: int = 0
    newly_right: int = 0
    newly_wrong: int = 0

    def refuse(self, place: str, reason: object) -> None:
        """Count a row that cannot be graded."""
        self.bad += 1
        if len(self.named) < MOST_NAMED:
            self.named.append(f"{place}: {reason}")


def find_source(path: Path, text: str = "", gold: str = "") -> Source:
    """The rows at `path`: a file or folder of rows, or an evaluation of ours by its folder or `results.json`.

    Columns that are not named are `text` and `gold`, or those of our samples. Raises `ReasonError` when there is
    nothing, no row, or no such columns.
    """
    folder = _evaluation(path)
    results = _results(folder) if folder else {}
    place = folder / SAMPLES if folder else path
    if not place.exists():
        raise ReasonError(f"no file '{place}'", "pass rows, or the folder of an evaluation", usage=True)
    first = next((row for _, row in rows(place) if not isinstance(row, BadRow)), None)
    if first is None:
        raise ReasonError(f"{place} holds no row that can be read", "pass a file with an object a row")
    ours = all(name in first for name in OURS)
    source = Source(place, text or (OURS[0] if ours else TEXT), gold or (OURS[1] if ours else GOLD), results)
    for column, flag in ((source.text, "--text-column"), (source.gold, "--gold-column")):
        check_column(place, first, column, flag)
    return source


def _evaluation(path: Path) -> Path | None:
    """The folder of the evaluation that `path` is of."""
    if path.name == SAMPLES and path.with_name(RESULTS).is_file():
        return path.parent
    below = (path.glob(f"{folders}{RESULTS}") for folders in ("", "*/", "*/*/"))  # a run has them two folders down
    return evaluation_folder(path) if path.name == RESULTS or any(map(any, below)) else None


def _results(folder: Path) -> Mapping[str, Any]:
    try:
        results = json.loads((folder / RESULTS).read_bytes())
    except (OSError, ValueError, RecursionError):
        results = None
    if not isinstance(results, dict) or not isinstance(results.get("settings"), dict):
        raise ReasonError(f"{folder / RESULTS} cannot be read", f"pass {folder / SAMPLES} from elsewhere, or mend it")
    return results


def regrade(source: Source, extractor: AnswerExtractor, counts: Counts) -> Iterator[Regraded]:
    """Every row that can be graded, in order; `counts` says what became of all of them."""
    keeps = has_verifier(extractor) and extractor.name == source.results.get("settings", {}).get("extractor")
    for number, (place, row) in enumerate(rows(source.path)):
        counts.rows += 1
        try:
            if isinstance(row, BadRow):
                raise row
            if not _of_one_filter(row, counts):
                continue
            graded = _graded(row, source, extractor, number, keeps)
        except BadRow as reason:
            counts.refuse(place, reason)
            continue
        if graded.before is not None:
            counts.regraded += 1
            counts.newly_right += graded.sample.correct and not graded.before
            counts.newly_wrong += graded.before and not graded.sample.correct
        yield graded


def has_verifier(extractor: AnswerExtractor) -> bool:
    """Whether an extractor may judge by more of an example than its answer."""
    return type(extractor).correct is not AnswerExtractor.correct


def _of_one_filter(row: Mapping[str, Any], counts: Counts) -> bool:
    """Whether a row is to be graded: lm-evaluation-harness writes each answer once for every filter of its task."""
    name = row.get("filter")
    if "doc_id" not in row or not isinstance(name, str):
        return True
    counts.filter = counts.filter or name
    counts.passed_over += name != counts.filter
    return name == counts.filter


def _graded(row: Mapping[str, Any], source: Source, extractor: AnswerExtractor, number: int, keeps: bool) -> Regraded:
    """A row with its sample. With `keeps`, the verdict before stands where the same answer is found again."""
    text, gold = _text(row, source.text), _text(row, source.gold)
    if not gold.strip():
        raise BadRow(f"'{source.gold}' is empty")
    ours = source.text == OURS[0] and OURS[0] in row
    answer, solution = _expected(gold, extractor)
    example = Example(
        question=next(filter(None, (_words(row, name) for name in QUESTIONS)), ""),
        reasoning=_words(row, "reasoning") or solution,
        answer=answer,
        tags=_tags(row) if ours else {},
    )
    said = Said(
        id=_whole(row, "id" if ours else "doc_id", number),
        sample=_whole(row, "sample", 0) if ours else 0,
        text=text,
        tokens=_whole(row, "tokens", 0) if ours else 0,
        finished=row.get("finished") is not False if ours else True,
    )
    sample = grade(said, example, extractor)
    before = row.get("correct") if ours and isinstance(row.get("correct"), bool) else None
    if keeps and before is not None and sample.predicted is not None and sample.predicted == row.get("predicted"):
        strict = before and extractor.is_marked(sample.strategy or "")
        sample = replace(sample, correct=before, strict=strict)
    return Regraded(row, sample, before)


def _expected(gold: str, extractor: AnswerExtractor) -> tuple[str, str]:
    """The expected answer, and the solution that it was read from: empty where the gold is the answer alone."""
    found = extractor.extract(gold)
    marked = found is not None and found.strategy in extractor.marked
    if not marked and extractor.equal(gold, gold):
        return gold.strip(), ""
    if found is None:
        raise BadRow(f"the gold answer {_short(gold)} holds none that '{extractor.name}' can read")
    return found.value, gold


def _text(row: Mapping[str, Any], column: str) -> str:
    """A text or a number as text; a text that a tool left empty is empty."""
    try:
        value = value_at(row, column)
    except KeyError:
        raise BadRow(f"there is no '{column}'") from None
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise BadRow(f"'{column}' is {type(value).__name__}, not text")
    return str(value)


def _words(row: Mapping[str, Any], column: str) -> str:
    try:
        value = value_at(row, column)
    except KeyError:
        return ""
    return value if isinstance(value, str) else ""


def _whole(row: Mapping[str, Any], column: str, otherwise: int) -> int:
    value = row.get(column)
    return value if type(value) is int else otherwise


def _tags(row: Mapping[str, Any]) -> dict[str, str | int]:
    tags = row.get("tags")
    return {k: v for k, v in tags.items() if type(v) in (str, int)} if isinstance(tags, dict) else {}


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return repr(plain if len(plain) <= 40 else plain[:39] + "…")
