"""`reasoning-gym`: rows of any task, each question in one split, judged by the task's own verifier."""

from __future__ import annotations

import re
import sys
from itertools import islice
from typing import Any

import pytest
from reason_datasets.gym import GymAnswers, ReasoningGym

from reason_cli import BadRow, Example, Extraction, NoOptions, ReasonError, testing

gym, answers = ReasoningGym(), GymAnswers()
# Answers of one word, of several lines, of JSON, any of several, and kept in the metadata alone.
TASKS = (
    *("basic_arithmetic", "chain_sum", "leg_counting", "advanced_geometry", "binary_matrix", "mini_sudoku"),
    *("tower_of_hanoi", "countdown", "graph_color", "propositional_logic", "word_ladder", "polynomial_multiplication"),
    *("n_queens", "fraction_simplification", "simple_integration", "number_sorting"),
)
ENTRY = {"question": "2 + 2 =", "answer": "4", "metadata": {"source_dataset": "chain_sum", "source_index": 0}}


def example(task: str, split: str = "train", seed: int = 0) -> Example:
    formatter = gym.variant(task)
    rows = formatter.generate(split, seed, NoOptions())
    assert rows is not None
    item = formatter.format(next(iter(rows)), NoOptions())
    assert isinstance(item, Example)
    return item


def test_an_entry() -> None:
    item = gym.format(ENTRY, NoOptions())
    assert item == Example("2 + 2 =", "", "4", {"task": "chain_sum"}, {"task": "chain_sum", "entry": ENTRY})
    assert isinstance(item, Example) and item.reference == {"task": "chain_sum", "entry": ENTRY}


@pytest.mark.parametrize(
    ("metadata", "answer"),
    [
        ({"example_answer": "(P ∧ Q)"}, "(P ∧ Q)"),
        ({"example_correct_answer": "U R"}, "U R"),
        ({"possible_answer": {0: 1, 1: 2}}, '{"0": 1, "1": 2}'),
    ],
)
def test_an_entry_whose_answer_is_in_its_metadata(metadata: dict[str, Any], answer: str) -> None:
    row = {"question": "q", "answer": None, "metadata": {"source_dataset": "x", **metadata}}
    item = gym.format(row, NoOptions())
    assert isinstance(item, Example) and item.answer == answer


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answer": None}, "column 'answer' is null, and the metadata gives no answer"),
        ({"answer": 4}, "column 'answer' is a int, not text"),
        ({"metadata": {}}, "does not say the task"),
        ({"metadata": "x"}, "does not say the task"),
        ({"question": ""}, "column 'question' is empty"),
    ],
)
def test_malformed_rows_say_why(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRow, match=reason):
        gym.format({**ENTRY, **change}, NoOptions())


def test_without_a_task_there_is_nothing_to_make() -> None:
    with pytest.raises(ReasonError, match="reasoning-gym needs the name of a task") as caught:
        gym.generate("train", 0, NoOptions())
    assert "reasoning-gym/chain_sum" in caught.value.hint


def test_a_missing_reasoning_gym_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    for ask in (gym.variants, lambda: gym.variant("chain_sum")):
        with pytest.raises(ReasonError, match="reasoning-gym cannot be imported") as caught:
            ask()
        assert caught.value.hint == "pip install reasoning-gym"


# --- the extractor -----------------------------------------------------------------------------------------

READINGS = [
    ("**Final Answer:** 4", "4", "final-answer"),
    ("<think>\n#### 5\n</think>\n\n**Final Answer:** 1 2\n3 4\n", "1 2\n3 4", "final-answer"),
    ("**Final Answer:**\nMove disk 1\nMove disk 2", "Move disk 1\nMove disk 2", "final-answer"),
    ("Final answer: $1/2$", "$1/2$", "final-answer"),
    ("So <answer>1 2\n3 4</answer>.", "1 2\n3 4", "answer-tag"),
    ("<answer>1</answer> no, <answer>2</answer>", "2", "answer-tag"),
    ("2 + 2\n#### 4", "4", "hash"),
    ("so \\boxed{4}", "4", "boxed"),
    ("I think\nit is\n4\n", "4", "last-line"),
    ("**Final Answer:** 4<|im_end|>\n<|im_start|>user\n**Final Answer:** 5", "4", "final-answer"),
    ("<think>\n**Final Answer:** 3\n</think>\n\n4", "4", "last-line"),
    ("<think>\n#### 3\n</think>\n", "3\n</think>", "hash"),
]


@pytest.mark.parametrize(("text", "value", "strategy"), READINGS)
def test_readings(text: str, value: str, strategy: str) -> None:
    found = answers.extract(text)
    assert found == Extraction(value, strategy, (text.index(value), text.index(value) + len(value)))


def test_no_answer() -> None:
    assert answers.extract(" \n") is None


def test_the_extractor_keeps_the_contract() -> None:
    testing.check_extractor(answers, {"**Final Answer:** 1 2\n3 4": "1 2\n3  4"})


def test_without_a_verifier_answers_are_compared() -> None:
    plain = Example("q", "", "1 2")
    assert answers.correct(" 1  2\n", plain)
    assert not answers.correct("12", plain)


def test_a_verifier_that_is_not_there_finds_nothing_right(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = Example("q", "", "4", reference={"task": "no-such-task", "entry": ENTRY})
    assert answers.correct("4", unknown)
    assert not answers.correct("5", unknown)


@pytest.mark.parametrize(
    "said",
    [
        "__import__('os').getpid()",
        "open('x', 'w')",
        "9**9**9**9",
        "9**(9**9)",
        "2**(99999)",
        "2**99999",
        "factorial(10**6)",
        "1" * 30_000,
    ],
)
def test_harmful_answers_never_reach_a_verifier(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from reason_datasets import gym_answers

    monkeypatch.setattr(gym_answers, "_verifier", lambda task: pytest.fail("asked"))
    assert not answers.correct(said, Example("q", "", "4", reference={"task": "countdown", "entry": ENTRY}))


def test_ordinary_answers_do() -> None:
    from reason_datasets import gym_answers

    for said in (
        "1638*x**6*y**2 + 12*x**3",
        "2*(-10*x - 10)**(3/2)/3 + C",
        "82 + 20 + 67 - 50",
        '{"0": 1}',
        "1 2\n3 4",
    ):
        assert not re.search(gym_answers.HARMFUL, said), said


class TestGenerated:
    """What reasoning-gym makes."""

    @pytest.fixture(scope="class", autouse=True)
    def needs_the_package(self) -> None:
        pytest.importorskip("reasoning_gym")

    def test_every_task_is_a_variant_but_those_without_an_answer(self) -> None:
        names = gym.variants()
        assert len(names) > 90 and set(TASKS) <= set(names)
        assert not {"composite", "boxnet", "rush_hour"} & set(names)

    def test_a_task_that_there_is_not(self) -> None:
        with pytest.raises(ReasonError, match="reasoning-gym has no task 'chain_sums'") as caught:
            gym.variant("chain_sums")
        assert "chain_sum" in caught.value.hint

    @pytest.mark.parametrize("task", TASKS)
    def test_the_answer_is_judged_right_and_another_wrong(self, task: str) -> None:
        for split in gym.splits:
            item = example(task, split)
            found = answers.extract(f"<think>\nHm.\n</think>\n\n**Final Answer:** {item.answer}")
            assert found and found.value == item.answer
            assert answers.correct(found.value, item)
            assert not answers.correct("surely wrong", item)
            assert not answers.correct("", item)

    @pytest.mark.parametrize("task", TASKS)
    def test_the_verifier_itself_finds_the_answer_right(self, task: str) -> None:
        from reason_datasets.gym_answers import correct

        item = example(task)
        assert correct(item.answer, item)

    def test_a_verifier_that_accepts_everything_is_not_asked(self) -> None:
        item = example("game_of_life_halting")
        assert not item.reference
        assert answers.correct(item.answer, item)
        assert not answers.correct({"True": "False", "False": "True"}[item.answer], item)

    def test_another_right_answer_is_right(self) -> None:
        item = example("countdown")
        assert item.answer != f"({item.answer})"
        assert answers.correct(f"({item.answer})", item)

    def test_how_an_answer_is_spaced_may_matter(self) -> None:
        item = example("mini_sudoku")
        assert not answers.correct(" ".join(item.answer.split()), item)

    @pytest.mark.parametrize("task", ["chain_sum", "leg_counting"])
    def test_the_contract(self, task: str) -> None:
        testing.check_dataset(gym.variant(task), made=20)

    def test_a_task_with_few_questions_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from reason_datasets import gym_rows

        class Few:
            @staticmethod
            def create_dataset(task: str, seed: int, size: int) -> list[dict[str, Any]]:
                return [{**ENTRY, "question": f"{n % 40} + 2"} for n in range(seed, seed + size)]

        monkeypatch.setattr(gym_rows, "reasoning_gym", lambda: Few)
        monkeypatch.setattr(gym_rows, "tasks", lambda: ["few"])
        train, test = (
            [row["question"] for row in gym.variant("few").generate(split, 0, NoOptions()) or ()]
            for split in gym.splits
        )
        assert len(train) + len(test) == len({*train, *test}) == 40
        assert list(islice(test, 1))
