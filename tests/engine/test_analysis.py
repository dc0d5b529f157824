"""Error analysis: parts that are the same for every model, and what went wrong with each answer."""

from __future__ import annotations

import pytest

from reason_cli.engine.analysis import SLIPS, breakdown, slip, slip_place, slips
from reason_cli.engine.grading import Sample


def sample(id=0, *, correct=False, predicted="1", finished=True, output="", sample=0, **more):
    facts = {"question": "How many?", "expected": "1", "reasoning": "", "tags": {}} | more
    return Sample(
        id=id, sample=sample, predicted=predicted, correct=correct, strict=correct, strategy=None, span=None, tokens=1,
        finished=finished, output=output, **facts,
    )  # fmt: skip


def counts(shares):
    return {label: (share["n"], share["correct"]) for label, share in shares.items()}


# --- parts -------------------------------------------------------------------------------------------------------


def test_steps_are_counted_in_marks_or_equations_or_taken_from_the_tag():
    marked = "<<2+3=5>>2+3=5, 1+1=2\n<<5*2=10>>"
    samples = [
        sample(0, correct=True, reasoning="2 + 3 = 5\n5 * 2 = 10", tags={"steps": 7}),
        sample(1, reasoning=marked),
        sample(2, reasoning="3 * 2 + 1 = 6 + 1 = 7"),  # a chain is one step
        sample(3, reasoning="\n".join(["1 + 1 = 2"] * 9)),
        sample(4, reasoning="\n".join(["1 + 1 = 2"] * 8)),
        sample(5, reasoning="She counts.", tags={"steps": 3}),
        sample(6, reasoning="She counts."),
        sample(7, reasoning="", tags={"steps": "many"}),
        sample(8, reasoning="\n".join(["1 + 1 = 2"] * 7)),
    ]
    shares = breakdown(samples)["steps"]
    assert counts(shares) == {"1": (1, 0), "2": (2, 1), "3": (1, 0), "7": (1, 0), "8+": (2, 0)}
    assert list(shares) == ["1", "2", "3", "7", "8+"]


def test_operations_are_those_of_the_expected_solution():
    samples = [
        sample(0, correct=True, reasoning="5 - 2 = 3\n3 − 1 = 2", output="2 * 2 = 4"),
        sample(1, reasoning="5 / 2 = 2.5\n2.5 x 2 = 5"),
        sample(2, reasoning="She counts."),
    ]
    shares = breakdown(samples)["operation"]
    assert counts(shares) == {"-": (1, 1), "×": (1, 0), "÷": (1, 0), "mixed": (1, 0)}
    assert list(shares) == ["-", "×", "÷", "mixed"]


def test_lengths_are_words_of_the_question():
    words = [1, 20, 21, 40, 41, 61, 120, 121, 999]
    shares = breakdown([sample(n, question="word " * count) for n, count in enumerate(words)])["length"]
    assert {label: n for label, (n, _) in counts(shares).items()} == {
        "1-20": 2, "21-40": 2, "41-60": 1, "61-80": 1, "81-120": 1, "121+": 2
    }  # fmt: skip
    assert list(shares) == ["1-20", "21-40", "41-60", "61-80", "81-120", "121+"]


MAGNITUDES = {
    "<10": ["0", "9", "9.0", "8/4", " 7 "],
    "10-99": ["10", "99"],
    "100-999": ["$100", "999"],
    "1,000-9,999": ["1,000", "9999"],
    "≥10,000": ["10000", "70,000"],
    "negative": ["-5", "−5"],
    "not whole": ["0.5", "-2.5", "3/4", "50%"],
    None: ["blue", "x + 1", "5-3", "(2, 3)", "", "1/0", "7 cats"],
}


@pytest.mark.parametrize(("part", "expected"), [(part, text) for part, texts in MAGNITUDES.items() for text in texts])
def test_magnitudes_of_expected_answers(part, expected):
    assert list(breakdown([sample(expected=expected)])["magnitude"]) == ([part] if part else [])


def test_magnitudes_stand_in_order():
    samples = [sample(n, expected=text) for n, text in enumerate(["0.5", "-1", "10000", "1000", "100", "10", "1"])]
    assert list(breakdown(samples)["magnitude"]) == [
        "<10", "10-99", "100-999", "1,000-9,999", "≥10,000", "negative", "not whole"
    ]  # fmt: skip


def test_several_answers_to_a_question_are_one_question():
    samples = [sample(0, sample=n, correct=n < 1, reasoning="1 + 1 = 2") for n in range(4)]
    share = breakdown(samples)["steps"]["1"]
    assert (share["n"], share["answers"], share["correct"], share["accuracy"]) == (1, 4, 1, 0.25)


# --- slips -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (sample(correct=True, output="1 + 1 = 3"), None),
        (sample(predicted=None, output="1 + 1 = 3"), "no_answer"),
        (sample(predicted=None, finished=False), "cut_off"),
        (sample(finished=False, output="1 + 1 = 3"), "cut_off"),
        (sample(output="2 + 3 = 5\n5 * 2 = 11\nAnswer: 11"), "arithmetic"),
        (sample(output="x + 1 = 3\n5 * 2 = 10\nAnswer: 10"), "reasoning"),
        (sample(output="2x + 1 = 5. Answer: 11"), "unchecked"),
        (sample(output="The answer is 11"), "unchecked"),
    ],
)
def test_what_went_wrong(answer, kind):
    assert slip(answer) == kind
    assert slips([answer, answer]) == {name: 2 * (name == kind) for name in SLIPS}


def test_where_the_first_false_equation_stands():
    text = "2 + 3 = 5\nthen 5 * 2 = 11 apples, 1 + 1 = 3"
    assert text[slice(*slip_place(sample(output=text)))] == "5 * 2 = 11"
    assert slip_place(sample(output="2 + 3 = 5")) is None
