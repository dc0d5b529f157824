"""`word-problems`: true solutions, natural wording, splits that never meet, the same rows every time."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice

import pytest
from reason_datasets.word_problems import WordProblems, WordProblemsOptions, people, places
from reason_datasets.word_problems.stories import NAMES

from reason_cli import BadRow, ReasonError

problems = WordProblems()
DEFAULT = WordProblemsOptions()
LINE = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")
IMPLIED_TWO = re.compile(r"\b(?:twice|doubles|half)\b", re.IGNORECASE)


def rows(split: str = "train", seed: int = 0, count: int = 5_000, options: WordProblemsOptions = DEFAULT) -> list[dict]:
    return list(islice(problems.generate(split, seed, options), count))


def parsed(row: dict) -> list[tuple[int, str, int, int]]:
    """The worked lines, as numbers."""
    matches = [LINE.fullmatch(line) for line in row["reasoning"].split("\n")]
    assert all(matches), row
    return [(int(m[1]), m[2], int(m[3]), int(m[4])) for m in matches if m]


def holds(left: int, operation: str, right: int, result: int) -> bool:
    if operation == "/":
        return right * result == left
    return {"+": left + right, "-": left - right, "*": left * right}[operation] == result


@pytest.fixture(scope="module")
def sample() -> list[dict]:
    return rows(count=20_000)


def test_every_line_is_true_and_goes_on_from_the_last(sample: list[dict]) -> None:
    for row in sample:
        lines = parsed(row)
        assert all(holds(*line) for line in lines), row
        assert [line[0] for line in lines[1:]] == [line[3] for line in lines[:-1]], row
        assert row["answer"] == str(lines[-1][3])
        assert row["steps"] == len(lines)


def test_the_story_says_every_number_of_the_solution_in_order_and_no_other(sample: list[dict]) -> None:
    for row in sample:
        said = [int(n) for n in re.findall(r"\d+", IMPLIED_TWO.sub("2", row["question"]))]
        lines = parsed(row)
        assert said == [lines[0][0], *(line[2] for line in lines)], row


@pytest.mark.parametrize("magnitude", [20, 100, 1000])
def test_no_number_is_larger_than_the_magnitude_and_factors_are_small(magnitude: int) -> None:
    largest = 0
    for row in rows(options=WordProblemsOptions(magnitude=magnitude)):
        largest = max(largest, *map(int, re.findall(r"\d+", " ".join(map(str, row.values())))))
        assert all(2 <= right <= 10 for _, operation, right, _ in parsed(row) if operation in "*/")
        assert all(result > 0 for *_, result in parsed(row))
    assert magnitude * 0.9 <= largest <= magnitude


def test_the_steps_are_uniform(sample: list[dict]) -> None:
    counts = Counter(row["steps"] for row in sample)
    assert set(counts) == {1, 2, 3, 4}
    assert max(counts.values()) < 1.1 * min(counts.values())


def test_every_operation_is_used_often(sample: list[dict]) -> None:
    counts = Counter(line[1] for row in sample for line in parsed(row))
    assert set(counts) == set("+-*/")
    assert min(counts.values()) > 0.18 * counts.total()


@pytest.mark.parametrize("operations", ["+", "-", "*", "/", "+-", "*/", "+-*"])
def test_only_the_chosen_operations_are_used(operations: str) -> None:
    options = WordProblemsOptions(operations=operations, max_steps=2)
    used = {line[1] for row in rows(count=500, options=options) for line in parsed(row)}
    assert used == set(operations)


def test_harder_has_one_and_two_steps_more() -> None:
    assert {row["steps"] for row in rows("harder", count=500)} == {5, 6}
    longest = WordProblemsOptions(min_steps=8, max_steps=8)
    assert {row["steps"] for row in rows("harder", count=200, options=longest)} == {9, 10}


def test_fifty_thousand_questions_are_all_different() -> None:
    assert len({row["question"] for row in rows(seed=5, count=50_000)}) == 50_000


def test_splits_never_share_a_question_whatever_the_seeds_and_options() -> None:
    # One step and small numbers: as few different questions as there can be, so that they would meet.
    tight = WordProblemsOptions(max_steps=1, magnitude=20, operations="*")
    # The steps that `harder` has by default are trained on here.
    long = WordProblemsOptions(min_steps=5, max_steps=6)
    seen: dict[str, set[str]] = {"train": set(), "test": set(), "harder": set()}
    for split, questions in seen.items():
        for seed in range(3):
            for options in (tight, long, DEFAULT):
                questions |= {row["question"] for row in rows(split, seed, 500, options)}
    for seed in range(2):
        seen["train"] |= {row["question"] for row in rows("train", seed, 10_000, tight)}
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["harder"]
    assert not seen["test"] & seen["harder"]


def test_another_seed_may_ask_the_same_question_so_that_only_the_hash_keeps_splits_apart() -> None:
    tight = WordProblemsOptions(max_steps=1, magnitude=20, operations="*")
    first, second = ({row["question"] for row in rows("train", seed, 5_000, tight)} for seed in (0, 1))
    assert first & second


def test_the_same_seed_gives_the_same_rows() -> None:
    assert rows(seed=1, count=300) == rows(seed=1, count=300)
    assert rows(seed=1, count=300) != rows(seed=2, count=300)


def test_the_stream_is_the_same_on_every_machine() -> None:
    first = rows(count=1)[0]
    assert (first["question"], first["reasoning"]) == FIRST


def test_formatted_rows_say_the_same() -> None:
    row = rows(count=1)[0]
    example = problems.format(row, DEFAULT)
    assert (example.question, example.reasoning, example.answer) == (row["question"], row["reasoning"], row["answer"])
    assert example.tags == {"steps": row["steps"]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"steps": "two"}, "column 'steps' is a str, not a whole number"),
        ({"steps": True}, "column 'steps' is a bool"),
        ({"answer": ""}, "column 'answer' is empty"),
    ],
)
def test_malformed_rows_say_why(change: dict, reason: str) -> None:
    with pytest.raises(BadRow, match=reason):
        problems.format({**rows(count=1)[0], **change}, DEFAULT)


@pytest.mark.parametrize(
    ("split", "options", "message"),
    [
        ("dev", DEFAULT, "no split 'dev'"),
        ("train", WordProblemsOptions(min_steps=3, max_steps=2), "min_steps 3 is more than max_steps 2"),
        ("train", WordProblemsOptions(operations="+^"), "operations '\\+\\^'"),
        ("train", WordProblemsOptions(operations=""), "operations ''"),
    ],
)
def test_senseless_settings_are_refused_at_once(split: str, options: WordProblemsOptions, message: str) -> None:
    with pytest.raises(ReasonError, match=message):
        problems.generate(split, 0, options)


def test_settings_that_leave_no_story_are_an_error() -> None:
    options = WordProblemsOptions(min_steps=8, max_steps=8, operations="*")
    with pytest.raises(ReasonError, match="no chain of 8 steps"):
        rows(count=1, options=options)


# --- wording -----------------------------------------------------------------------------------------------

WORLDS = people.WORLDS + places.WORLDS
PAIRS = {pair for world in WORLDS for pair in world.things}
PLURALS = {many for one, many in PAIRS if one != many}
SINGULARS = {one for one, many in PAIRS if one != many}


def test_one_thing_is_singular_and_several_are_plural() -> None:
    ones = 0
    for row in rows(seed=3, count=40_000):
        counted = re.findall(
            r"\b(\d+) ((?:(?:more|fewer|new|old|red|blue|green|sweet|small|brown|short|bad|tired) )?(?:of \w+ )?)"
            r"([a-z]+(?: cars?)?)",
            row["question"],
        )
        for n, between, noun in counted:
            ones += n == "1" and noun in SINGULARS
            wrong = SINGULARS if n != "1" or "of " in between else PLURALS
            assert noun not in wrong, row["question"]
    assert ones > 500


def test_verbs_agree_with_one_and_with_several() -> None:
    noun = r"(?:more |tired |new )?[a-z]+"
    several = re.compile(rf"\b(?:[2-9]|\d\d+) {noun} (?:gets|comes|goes|is|arrives|joins|dies|runs|walks|grows)\b")
    one = re.compile(rf"\b1 {noun} (?:get|come|go|are|arrive|join|die|run|walk|grow)\b")
    for row in rows(seed=4, count=40_000):
        assert not several.search(row["question"]), row["question"]
        assert not one.search(row["question"]), row["question"]


def test_sentences_are_whole() -> None:
    for row in rows(seed=6, count=20_000):
        question = row["question"]
        assert re.fullmatch(r"(?:[A-Z0-9][^.?%{}\[\]|]*\. )+[A-Z][^.?%{}\[\]|]*[.?]", question), question
        assert "  " not in question
        assert not re.search(r"\ba [aeiou]|\ban (?!hour|old)[^aeiou]", question), question
        assert not re.search(r"\b(\w+) \1\b", question), question


def test_a_person_never_compares_with_themselves_and_is_asked_about_by_name() -> None:
    names = {name for name, _ in NAMES}
    for row in rows(seed=8, count=20_000):
        said = re.findall(r"\b[A-Z][a-z]+\b", row["question"])
        people_in_it = [word for word in said if word in names]
        if people_in_it:
            assert re.search(rf"\b{people_in_it[-1]}\b", row["question"].rpartition(". ")[2] or row["question"])
        compared = re.search(r"(\w+) has [^.]* (?:as|than) (\w+)\.", row["question"])
        assert compared is None or compared[1] != compared[2]


def test_pronouns_fit_the_last_person_named() -> None:
    gender = dict(NAMES)
    words = {"she": "she", "her": "she", "he": "he", "him": "he", "his": "he"}
    for row in rows(seed=9, count=20_000):
        current = ""
        for word in re.findall(r"[A-Za-z]+", row["question"]):
            current = gender.get(word, current)
            assert words.get(word.lower(), current) == current, row["question"]


def test_every_step_about_people_says_whose_things_it_changes() -> None:
    for world in people.WORLDS:
        for kind in (world.plus, world.minus, world.times, world.twice, world.over, world.half):
            for phrase in kind:
                assert re.search(r"%\((?:s|a|whom|whose)\)s", phrase.many), phrase.many


def test_every_phrase_is_told() -> None:
    told = "\n".join(row["question"] for row in rows(seed=10, count=40_000)).lower()
    for world in WORLDS:
        for phrase in world.all_phrases():
            pattern = re.sub(r"%\\\((\w+)\\\)s", r"[\\w' ]+?", re.escape(phrase.many.lower()))
            assert re.search(pattern, told), phrase.many


FIRST = (
    "Sara has 4 boxes, and each box holds 9 erasers. Her aunt gives her 21 more erasers. Later, Sara gives 54 erasers "
    "to her brother. How many erasers does Sara have in the end?",
    "4 * 9 = 36\n36 + 21 = 57\n57 - 54 = 3",
)
