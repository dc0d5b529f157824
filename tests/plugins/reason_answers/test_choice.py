"""`choice`: where a letter from A to E is found, and which answers are the same letter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from patience import bounded
from reason_answers.choice import Choice

from reason_cli import testing

choice = Choice()

READINGS = [
    # boxed
    *[("\\boxed{B}", "B", "boxed"), ("so $\\boxed{\\text{B}}$.", "B", "boxed"), ("\\boxed{(c)}", "C", "boxed")],
    *[("\\boxed{\\textbf{(B) }72}", "B", "boxed"), ("\\boxed{A}, no, \\boxed{D}", "D", "boxed")],
    *[("\\boxed{B) 72}", "B", "boxed"), ("\\boxed{72}\nB", "B", "last-line"), ("\\boxed{e}", "E", "boxed")],
    # markers
    *[("**Final Answer:** C", "C", "final-answer"), ("**Final Answer:** (C) 72", "C", "final-answer")],
    *[("Final answer: option D", "D", "final-answer"), ("ANSWER: B", "B", "final-answer")],
    *[("#### D", "D", "hash"), ("#### (a)", "A", "hash")],
    *[("<answer>E</answer>", "E", "answer-tag"), ("<answer> (b) Paris </answer>", "B", "answer-tag")],
    # phrases
    *[
        ("Answer: B", "B", "the-answer-is"),
        ("Answer: **B**", "B", "the-answer-is"),
        ("Answer: A", "A", "the-answer-is"),
    ],
    *[("Answer: $B$", "B", "the-answer-is"), ("Answer:\n(B)", "B", "the-answer-is")],
    *[("**Answer:** B. 72", "B", "the-answer-is"), ('{"answer": "B"}', "B", "the-answer-is")],
    ("The correct option is (B) 72", "B", "the-answer-is"),
    ("The best choice is B: Paris", "B", "the-answer-is"),
    ("The answer is $\\text{(E)}$.", "E", "the-answer-is"),
    ("The answer is A because the others are not.", "A", "the-answer-is"),
    ("The answer is B, since A is wrong", "B", "the-answer-is"),
    ("The answer is (A), not (B).", "A", "the-answer-is"),
    ("The answer is not A but B", "B", "the-answer-is"),
    ("The answer is vitamin C (B).", "B", "the-answer-is"),
    ("Answer: D) none of A and B", "D", "the-answer-is"),
    ("The answer is A. No, the answer is D.", "D", "the-answer-is"),
    *[("I choose B.", "B", "the-answer-is"), ("so I would go with (d)", "D", "the-answer-is")],
    # options, bold type
    *[("so option B fits", "B", "option"), ("I think choice (c) is right", "C", "option")],
    *[("Option A is wrong, so option D.", "D", "option"), ("so option b then", "B", "option")],
    *[("so **B** is right", "B", "bold"), ("It is **(D)** here", "D", "bold"), ("**B) 72** it is", "B", "bold")],
    # the last line
    *[("B", "B", "last-line"), ("b", "B", "last-line"), ("A", "A", "last-line"), ("(B)", "B", "last-line")],
    *[("B.", "B", "last-line"), ("B)", "B", "last-line"), ("**B**", "B", "bold"), ("E) 12", "E", "last-line")],
    *[("It has two sides.\n\nB", "B", "last-line"), ("Let me see.\nB. Paris", "B", "last-line")],
    *[("So it is (D).", "D", "last-line"), ("a", "A", "last-line")],
    # the thinking and what follows the answer
    ("<think>The answer is A</think>\nThe answer is B", "B", "the-answer-is"),
    ("<think>\\boxed{A}</think>\nB", "B", "last-line"),
    ("Answer: B\nQuestion: which?\nAnswer: C", "B", "the-answer-is"),
]

NONE = [
    *["", "A dog is an animal", "I am here", "Because of that", "It is vitamin C", "The answer is vitamin C"],
    *["The answer is a dog", "Answer: A dog", "The answer is Cat", "The answer is F", "\\boxed{72}", "**A dog** barks"],
    *["To answer a question, think.", "option C is incorrect", "It costs 5", "the answer is C++", "Eve", "cab"],
    # Two letters are no answer, whatever else is said.
    *["A or B", "The answer is A or B.", "Answer: A and C", "Answer: A, B", "\\boxed{A, C}", "either (A) or (B)"],
    *["Answer: C/D", "option A or option B", "Answer: A or B\n\nB", "**A** or **B**", "It could be (A), some say (B)"],
    # A list of choices is the question, not its answer.
    "A) 1\nB) 2\nC) 3\nD) 4",
]

SAME = [
    ("B", "b"),
    ("B", "(B)"),
    ("B", "B) 72"),
    ("b", "B. Paris"),
    ("B", "\\text{B}"),
    ("B", "\\textbf{(B)}"),
    ("A", "a"),
]
DIFFERENT = [("B", "C"), ("B", ""), ("", ""), ("A", "A dog"), ("B", "A or B"), ("B", "72"), ("A", "An"), ("72", "72")]


@pytest.mark.parametrize(("text", "letter", "strategy"), READINGS)
def test_readings(text: str, letter: str, strategy: str) -> None:
    found = choice.extract(text)
    assert found and (found.value, found.strategy) == (letter, strategy)
    assert text[slice(*found.span)].upper() == letter


@pytest.mark.parametrize("text", NONE)
def test_what_names_no_choice(text: str) -> None:
    assert choice.extract(text) is None


@pytest.mark.parametrize(("left", "right"), SAME)
def test_same(left: str, right: str) -> None:
    assert choice.equal(left, right) and choice.equal(right, left)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different(left: str, right: str) -> None:
    assert not choice.equal(left, right) and not choice.equal(right, left)


def test_the_contract_and_what_is_strict() -> None:
    testing.check_extractor(choice, {"Answer: (B) 72": "b"})
    strategies = {strategy for _, _, strategy in READINGS}
    assert choice.marked < strategies
    assert strategies - choice.marked == {"the-answer-is", "option", "bold", "last-line"}


PIECES = [
    *("A", "(A)", "A ", "A or ", "**", "**A", "the ", "answer is ", "Answer: ", "option ", "option A\n", "\\boxed{"),
    *("#### ", "\\text{", "(", "[", "$", "not A", "\n", "B)\n", " ", "`", "\\", "or and ", "<answer>"),
]


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_a_megabyte_of_anything(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    with bounded():
        choice.extract(text)
        choice.equal(text, "B")


def test_every_thread_reads_the_same() -> None:
    texts = [text for text, _, _ in READINGS] + NONE
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(choice.extract, texts * 20)) == [choice.extract(text) for text in texts] * 20
