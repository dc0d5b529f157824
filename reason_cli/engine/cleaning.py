"""What is taken out of the training rows: duplicates on request, and by default what holds a benchmark's question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from reason_cli.api import Chat, Example, Hub, Item
from reason_cli.engine import hub
from reason_cli.engine.contamination import QUESTION, Match, TestQuestions
from reason_cli.engine.duplicates import near_duplicates
from reason_cli.engine.held_out import Keyed, question_of
from reason_cli.engine.reading import Loaded, load
from reason_cli.engine.report import Reporter, Silent
from reason_cli.engine.sources import Source
from reason_cli.errors import ReasonError

LISTED = 3  # matches shown; the run directory has them all


@dataclass(frozen=True)
class Benchmarks:
    """The test questions that training rows are searched for, and of which benchmarks; some were not at hand."""

    questions: TestQuestions
    known: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def search(self, item: Item) -> list[Match]:
        """The test questions in an item, one per benchmark at most."""
        if isinstance(item, Example):
            return self.questions.matches(item.question, item.reasoning, item.answer)
        if isinstance(item, Chat):
            said = (turn.text for turn in item.turns if turn.role == "assistant")
            return self.questions.matches(question_of(item), *said)
        return self.questions.matches(item.text)


def benchmarks(sources: Sequence[Source], *, online: bool) -> Benchmarks:
    """The questions of those `sources` that can be had: from a file, from the hub's cache, and if `online` from the
    hub itself.
    """
    found, known, missing = TestQuestions(), list[str](), list[str]()
    for source in {source.label: source for source in sources}.values():
        questions = _questions(source) if _at_hand(source, online) else []
        (known if questions else missing).append(source.label)
        found.add(source.label, questions)
    return Benchmarks(found, tuple(known), tuple(missing))


def _at_hand(source: Source, online: bool) -> bool:
    if isinstance(source.place, Path):
        return source.place.exists()
    return isinstance(source.place, Hub) and (online or hub.cached(source.place, source.split))


def _questions(source: Source) -> list[str]:
    try:
        loaded = load(source, take=0, seed=0, refuse_bad=False, report=Silent())
    except ReasonError:
        return []
    return [question_of(item) for item in loaded.items]


@dataclass(frozen=True)
class Contaminated:
    """A training row that holds a test question: of which source, what it asks, and what it matches."""

    source: str
    asked: str
    match: Match


@dataclass
class Cleaned:
    """What was found in one source's rows, and the items that are left."""

    items: list[Item]
    contaminated: list[Contaminated] = field(default_factory=list)
    duplicates: int = 0

    def counts(self) -> dict[str, Any]:
        """Rows per benchmark and kind of match: `{"gsm8k:test": {"question": 329}}`."""
        counts: dict[str, Any] = {}
        for (label, kind), n in Counter((c.match.label, c.match.kind) for c in self.contaminated).items():
            counts.setdefault(label, {})[kind] = n
        return counts


def clean(loaded: Loaded, known: Benchmarks, *, drop: bool, report: Reporter) -> Cleaned:
    """Search one source's rows for test questions; with `drop` they are taken out. What was found is said."""
    cleaned, dropped = Cleaned([]), 0
    for item in loaded.items:
        matches = known.search(item) if known.known else []
        cleaned.contaminated += [Contaminated(loaded.source.label, question_of(item), match) for match in matches]
        if matches and drop:
            dropped += 1
        else:
            cleaned.items.append(item)
    loaded.cleaned = {"contaminated": cleaned.counts(), "dropped": dropped, "searched_for": list(known.known)}
    _say(loaded, cleaned, dropped, report)
    if not cleaned.items:
        raise ReasonError(
            f"every row of '{loaded.source.label}' holds a benchmark's test question",
            "train on another split, or pass --no-decontaminate to train on them all the same",
        )
    return cleaned


def _say(loaded: Loaded, cleaned: Cleaned, dropped: int, report: Reporter) -> None:
    rows = len(loaded.items)
    for label, kinds in cleaned.counts().items():
        how = ", ".join(f"{n:,} {'word for word' if kind == QUESTION else 'by 13 words'}" for kind, n in kinds.items())
        n = sum(kinds.values())
        report.warn(f"{loaded.source.label}: {n:,} of {rows:,} rows hold a question of {label} ({how})")
    for one in cleaned.contaminated[:LISTED]:
        report.say(f"  {one.match.label} ({one.match.kind}): {' '.join(one.asked.split())[:120]}")
    if cleaned.contaminated:
        what = f"{dropped:,} rows are left out" if dropped else "they are trained on, as you asked"
        report.warn(f"{loaded.source.label}: {what}")


def without_duplicates(groups: Sequence[Sequence[Keyed]], *, near: bool) -> tuple[list[list[Keyed]], list[int]]:
    """(the items of each group whose question did not come before in any, how many each group lost)."""
    kept = _first_nears(groups) if near else _firsts(groups)
    return kept, [len(group) - len(left) for group, left in zip(groups, kept, strict=True)]


def _firsts(groups: Sequence[Sequence[Keyed]]) -> list[list[Keyed]]:
    seen: set[int] = set()
    kept: list[list[Keyed]] = []
    for group in groups:
        kept.append([])
        for key, item in group:
            if key not in seen:
                seen.add(key)
                kept[-1].append((key, item))
    return kept


def _first_nears(groups: Sequence[Sequence[Keyed]]) -> list[list[Keyed]]:
    dropped = near_duplicates([question_of(item) for group in groups for _, item in group])
    number = count()
    return [[pair for pair in group if next(number) not in dropped] for group in groups]
