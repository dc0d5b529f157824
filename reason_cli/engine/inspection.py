"""What a dataset holds and what is wrong with it, and which of its tokens are learned: the work of `reason data`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from reason_cli.api import AnswerExtractor, Example, Item, Text
from reason_cli.engine import tokenizers
from reason_cli.engine.chat import Encoded, Template, assistant_turn, plain_texts
from reason_cli.engine.cleaning import Benchmarks
from reason_cli.engine.contamination import question_key
from reason_cli.engine.duplicates import near_duplicates
from reason_cli.engine.held_out import question_of
from reason_cli.engine.reading import Tally, read, settle
from reason_cli.engine.report import Reporter
from reason_cli.engine.sources import Source
from reason_cli.engine.tokens import Encoder, encoded
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MADE = 10_000  # rows of an endless dataset that are looked at
SAMPLE = 20_000  # rows that a tokenizer is made from, where the run's own cannot be had
OWN_TOKENIZER = "bpe:8192"
MOST_NEAR = 200_000  # rows up to which near duplicates are looked for: their questions are all held
EXAMPLES = 3  # places named for each kind of fault


@dataclass(frozen=True)
class Inspector:
    """How sources are looked at: as which tokens, against which benchmarks."""

    tokenizer: str
    template: Template
    max_seq_len: int
    seed: int
    known: Benchmarks
    report: Reporter

    def encoder(self, sources: Sequence[Source]) -> Encoder:
        """The encoder of the run's tokenizer; of one made from the rows themselves where that cannot be had."""
        try:
            if not self.tokenizer.startswith("bpe:"):
                return self._encoder(tokenizers.build(self.tokenizer, ()))
            spec = self.tokenizer
        except ReasonError as error:
            spec = OWN_TOKENIZER
            self.report.warn(f"{error.message}; tokens are those of {spec}, made from these rows")
        items = [item for source in sources for item in islice(self.items(source, Tally()), SAMPLE // len(sources))]
        return self._encoder(tokenizers.build(spec, plain_texts(items, self.template)))

    def _encoder(self, tokenizer: PreTrainedTokenizerBase) -> Encoder:
        return Encoder(tokenizer, self.template, self.max_seq_len)

    def items(self, source: Source, tally: Tally) -> Iterator[Item]:
        """The items of a source: all, or as many as its spec says, or as are made."""
        take = source.spec.take or (MADE if source.endless else 0)
        rows = read(source, self.seed, tally, refuse_bad=False)
        return (item for _, item in islice(rows, take or None))

    def settle(self, source: Source) -> Source:
        """The source with its schema told from its first rows, or what takes its place."""
        return settle(source, self.seed, self.report)[0]


# --- showing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """A row as it is trained on: pieces of text that are in turn given and learned, each token by token."""

    item: Item
    pieces: list[list[str]]
    given: int
    learned: int


def show(inspector: Inspector, source: Source, count: int) -> list[Shown]:
    """The first `count` items of a source with their tokens."""
    source = inspector.settle(source)
    encoder = inspector.encoder([source])
    items = list(islice(inspector.items(source, Tally()), count))
    return [_shown(encoder, item, row) for item, own in zip(items, encoder.encode(items), strict=True) for row in own]


def _shown(encoder: Encoder, item: Item, row: Encoded) -> Shown:
    pieces, at = [], 0
    for length in row.borders:
        pieces.append(token_texts(encoder.tokenizer, row.input_ids[at : at + length]))
        at += length
    return Shown(item, pieces, sum(row.borders[0::2]), sum(row.borders[1::2]))


def token_texts(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[str]:
    """What each token says. Tokens that only together make a character stand together."""
    texts: list[str] = []
    waiting: list[int] = []
    for number in ids:
        waiting.append(number)
        text = str(tokenizer.decode(waiting))
        if not text.endswith("\ufffd"):
            texts.append(text)
            waiting = []
    return texts + ([str(tokenizer.decode(waiting))] if waiting else [])


# --- checking ----------------------------------------------------------------------------------------------------


@dataclass
class Check:
    """What was found in one source."""

    source: str
    schema: str = ""
    rows: int = 0
    examples: int = 0
    conversations: int = 0
    texts: int = 0
    left_out: int = 0
    bad_rows: int = 0
    bad: dict[str, list[str]] = field(default_factory=dict)  # reason -> places, the first few
    bad_counts: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    near_duplicates: int | None = None
    contaminated: dict[str, dict[str, int]] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    unreadable_answers: int = 0
    unreadable: list[str] = field(default_factory=list)
    peculiar: dict[str, int] = field(default_factory=dict)
    tokens: int = 0
    trained_tokens: int = 0
    lengths: dict[str, int] = field(default_factory=dict)
    histogram: dict[str, int] = field(default_factory=dict)
    over_max_seq_len: int = 0
    usable: bool = True


@dataclass(frozen=True)
class Overlap:
    """Questions that two sources share, and how many of them have the same answer in both."""

    first: str
    second: str
    questions: int
    same_answer: int


def check(
    inspector: Inspector, sources: Sequence[Source], extractors: Sequence[AnswerExtractor]
) -> tuple[list[Check], list[Overlap]]:
    """Every row of every source read and judged, and what the sources have in common."""
    settled = [inspector.settle(source) for source in sources]
    encoder = inspector.encoder(settled)
    checks, asked = [], []
    for source, extractor in zip(settled, extractors, strict=True):
        found, answers = _check(inspector, encoder, source, extractor)
        checks.append(found)
        asked.append(answers)
    overlaps = [
        _overlap(settled[i], settled[j], asked[i], asked[j], extractors[i])
        for j in range(len(settled))
        for i in range(j)
    ]
    return checks, [overlap for overlap in overlaps if overlap.questions]


def _overlap(
    first: Source, second: Source, own: dict[int, str], other: dict[int, str], extractor: AnswerExtractor
) -> Overlap:
    shared = own.keys() & other.keys()
    same = sum(extractor.equal(own[key], other[key]) for key in shared)
    return Overlap(first.label, second.label, len(shared), same)


def _check(
    inspector: Inspector, encoder: Encoder, source: Source, extractor: AnswerExtractor
) -> tuple[Check, dict[int, str]]:
    """What was found, and the answer to each question by its key."""
    found = Check(source.label, source.formatter.describe(source.options))
    tally, answers, questions, lengths = Tally(counts=Counter()), dict[int, str](), list[str](), list[int]()
    inspector.report.start(f"checking {source.label}", None)
    for item, rows in encoded(encoder, inspector.items(source, tally)):
        key = question_key(question_of(item))
        found.duplicates += key in answers
        answers.setdefault(key, item.answer if isinstance(item, Example) else "")
        if len(questions) <= MOST_NEAR:
            questions.append(question_of(item))
        _count(found, inspector, item, extractor)
        _measure(found, encoder, rows, lengths)
        inspector.report.update(tally.rows, {"": f"{tally.rows:,} rows"})
    inspector.report.finish()
    if len(questions) <= MOST_NEAR:
        found.near_duplicates = len(near_duplicates(questions)) - found.duplicates
    _sum_up(found, tally, lengths)
    return found, answers


def _count(found: Check, inspector: Inspector, item: Item, extractor: AnswerExtractor) -> None:
    """The kind of an item, the benchmarks it is in, and whether its answer can be read back."""
    for match in inspector.known.search(item):
        if match.label != found.source:
            kinds = found.contaminated.setdefault(match.label, {})
            kinds[match.kind] = kinds.get(match.kind, 0) + 1
    if not isinstance(item, Example):
        kind = "texts" if isinstance(item, Text) else "conversations"
        setattr(found, kind, getattr(found, kind) + 1)
        return
    found.examples += 1
    for fact in _facts(item.answer):
        found.answers[fact] = found.answers.get(fact, 0) + 1
    turn = assistant_turn(item, inspector.template)
    read_back = extractor.extract(turn)
    if read_back is None or not extractor.correct(read_back.value, item):
        found.unreadable_answers += 1
        if len(found.unreadable) < EXAMPLES:
            got = f"{read_back.value!r}" if read_back else "nothing"
            found.unreadable.append(f"{item.answer!r} is read back as {got}: {' '.join(item.question.split())[:60]}")


def _facts(answer: str) -> Iterator[str]:
    """What is worth counting of an answer that is a number."""
    try:
        value = Fraction(answer.replace(",", ""))
    except (ValueError, ZeroDivisionError):
        yield "no number"
        return
    yield "whole numbers" if value.denominator == 1 else "not whole"
    if value < 0:
        yield "negative"


def _measure(found: Check, encoder: Encoder, rows: Sequence[Encoded], lengths: list[int]) -> None:
    for row in rows:
        lengths.append(len(row.input_ids))
        if lengths[-1] > encoder.max_seq_len:
            found.over_max_seq_len += 1
        else:
            found.tokens += lengths[-1]
            found.trained_tokens += sum(row.borders[1::2])


def _sum_up(found: Check, tally: Tally, lengths: list[int]) -> None:
    found.rows, found.left_out, found.bad_rows = tally.rows, tally.left_out, len(tally.bad)
    found.peculiar = dict(tally.counts or {})
    for line in tally.bad:
        where, _, reason = line.partition(": ")
        places = found.bad.setdefault(reason, [])
        found.bad_counts[reason] = found.bad_counts.get(reason, 0) + 1
        if len(places) < EXAMPLES:
            places.append(where)
    ordered = sorted(lengths)
    if ordered:
        at = {"shortest": 0, "median": 0.5, "95%": 0.95, "longest": 1}
        found.lengths = {name: ordered[round(share * (len(ordered) - 1))] for name, share in at.items()}
        found.histogram = _histogram(ordered)
    try:
        tally.judge(found.source)
    except ReasonError:
        found.usable = False
    found.usable &= bool(tally.good)


def _histogram(lengths: Sequence[int]) -> dict[str, int]:
    """Rows by length, in ranges that double."""
    counts = Counter((length - 1).bit_length() if length > 1 else 0 for length in lengths)
    low, high = min(counts), max(counts)
    return {f"{2 ** (power - 1) + 1 if power else 1}-{2**power}": counts[power] for power in range(low, high + 1)}
