"""Every published dataset: its rows as published, rows that are not, and what its extractor reads back."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import reason_answers
import reason_datasets
from published_rows import HOW, PROGRAM, PUBLISHED, STACK, chat
from reason_datasets.mathinstruct import MathInstructOptions
from reason_datasets.verdicts import VerdictOptions

from reason_cli import BadRow, DatasetFormatter, Example, Item, NoOptions, ReasonError, Text, testing

FORMATTERS = {formatter.name: formatter for formatter in reason_datasets.register_datasets()}
EXTRACTORS = {
    extractor.name: extractor
    for extractor in (*reason_answers.register_extractors(), *reason_datasets.register_extractors())
}
CASES = [(name, row, item) for name, cases in PUBLISHED.items() for row, item in cases]


def formatter(name: str) -> DatasetFormatter:
    return FORMATTERS[name]


def read(name: str, row: dict[str, Any], **options: str) -> Item | None:
    return formatter(name).format(row, formatter(name).Options(**options))


@pytest.mark.parametrize(("name", "row", "item"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_published_rows(name: str, row: dict[str, Any], item: Item | None) -> None:
    given = read(name, row)
    assert given == item
    if isinstance(given, Example) and isinstance(item, Example):
        assert given.reference == item.reference


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_the_contract(name: str) -> None:
    testing.check_dataset(formatter(name), [row for row, _ in PUBLISHED[name]])


@pytest.mark.parametrize("name", sorted(set(PUBLISHED) - {"columns"}))
def test_the_published_columns_are_those_that_the_first_row_has(name: str) -> None:
    row = PUBLISHED[name][0][0]
    assert set(row) == set(formatter(name).columns) or row is STACK
    assert set(row) <= set(formatter(name).columns)


@pytest.mark.parametrize(
    ("name", "item"),
    [(name, item) for name, _, item in CASES if isinstance(item, Example)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_answer_is_read_back_by_the_extractor_of_its_dataset(name: str, item: Example) -> None:
    extractor = EXTRACTORS[formatter(name).extractor]
    found = extractor.extract(f"<think>\n{item.reasoning}\n</think>\n\n**Final Answer:** {item.answer}")
    assert found and extractor.correct(found.value, item)
    wrong = extractor.extract("**Final Answer:** 31337")
    assert wrong and not extractor.correct(wrong.value, item)


BAD = [
    ("gsm-hard", {"target": None}, "column 'target' is null"),
    ("gsm-hard", {"target": "many"}, "column 'target' is no number: 'many'"),
    ("gsm-hard", {"target": True}, "column 'target' is no number"),
    ("gsm-hard", {"input": ""}, "column 'input' is empty"),
    ("svamp", {"Answer": "a few"}, "column 'Answer' is no number: 'a few'"),
    ("svamp", {"Answer": "12,34"}, "column 'Answer' is no number: '12,34'"),
    ("svamp", {"Body": 7}, "column 'Body' is a int, not text"),
    ("asdiv", {"answer": ""}, "column 'answer' is empty"),
    ("multiarith", {"final_ans": []}, "column 'final_ans' is list"),
    ("math", {"solution": "It is 42."}, r"no answer in a \\boxed\{\} in column 'solution'"),
    ("math", {"solution": "It is \\boxed{42"}, r"no answer in a \\boxed\{\}"),
    ("math", {"solution": "It is \\boxed{}."}, r"no answer in a \\boxed\{\}"),
    ("squad-v2", {"answers": {"text": "Rome"}}, "column 'answers' is no object with a list of texts"),
    ("squad-v2", {"answers": ["Rome"]}, "column 'answers' is no object"),
    ("mathinstruct", {"output": "  "}, "column 'output' is empty"),
    ("metamath", {"response": "It is 42."}, "no 'The answer is: …' in column 'response'"),
    ("metamath", {"response": "The answer is:"}, "no 'The answer is: …'"),
    ("openmathinstruct", {"is_correct": "yes"}, "column 'is_correct' is a str, not true or false"),
    ("openmathinstruct", {"expected_answer": None}, "column 'expected_answer' is null"),
    ("numinamath-cot5m", {"correct": None}, "column 'correct' is a NoneType, not true or false"),
    ("ultrachat", {"messages": []}, "column 'messages' is no list of turns"),
    ("ultrachat", {"messages": ["Hello?"]}, "turn 1 of column 'messages' is a str, not an object"),
    ("ultrachat", {"messages": [{"role": "tool", "content": "x"}]}, "turn 1 .* is said by 'tool'"),
    ("ultrachat", {"messages": [{"role": "user", "content": None}]}, "turn 1 of column 'messages' has no text"),
    ("the-stack-dedup", {"content": b"x"}, "column 'content' is a bytes, not text"),
    ("github-code", {"code": ""}, "column 'code' is empty"),
]


@pytest.mark.parametrize(("name", "change", "reason"), BAD)
def test_malformed_rows_say_why(name: str, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRow, match=reason):
        read(name, {**PUBLISHED[name][0][0], **change})


@pytest.mark.parametrize("name", sorted(set(PUBLISHED) - {"columns"}))
def test_rows_of_another_dataset_are_bad_rows(name: str) -> None:
    for row in ({}, {"x": 1}, ["question"], None):
        with pytest.raises(BadRow):
            formatter(name).format(row, formatter(name).Options())  # type: ignore[arg-type]


# --- one by one --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        *[("9 (apples)", "9"), ("1,200 (m)", "1200"), ("2.50 (dollars)", "2.5"), ("17", "17"), ("-3 (degrees)", "-3")],
        *[("1/2 (kg)", "1/2"), ("3 (a); 4 (b)", None), ("3:4", None), ("7:30 (p.m.)", None), ("Tuesday", None)],
        *[("5 1/2 (h)", None), ("5/0 (h)", None), ("4 r 2", None), ("9 (apples) (red)", None), ("about 5", None)],
    ],
)
def test_asdiv_takes_one_number_only(answer: str, number: str | None) -> None:
    item = read("asdiv", {**PUBLISHED["asdiv"][0][0], "answer": answer})
    assert (item.answer if isinstance(item, Example) else item) == number


@pytest.mark.parametrize(
    ("body", "question"),
    [
        ("A box.", "A box. How?"),
        ("A box ,", "A box , How?"),
        ("Two boxes", "Two boxes. How?"),
        ("Is it?", "Is it? How?"),
    ],
)
def test_svamp_ends_the_story(body: str, question: str) -> None:
    item = read("svamp", {**PUBLISHED["svamp"][0][0], "Body": body, "Question": "How?"})
    assert isinstance(item, Example) and item.question == question


def test_the_kinds_of_mathinstruct() -> None:
    rows = [row for row, _ in PUBLISHED["mathinstruct"]]
    kinds = {
        kind: [formatter("mathinstruct").format(row, MathInstructOptions(kinds=kind)) is not None for row in rows]
        for kind in ("all", "reasoning", "programs")
    }
    assert kinds == {"all": [True] * 5, "reasoning": [True] * 4 + [False], "programs": [False] * 4 + [True]}


def test_a_program_is_known_without_its_source() -> None:
    assert read("mathinstruct", {"instruction": "6 * 7?", "output": PROGRAM}) == chat("6 * 7?", PROGRAM, kind="program")
    said = read("mathinstruct", {"instruction": "6 * 7?", "output": "We print(42).\nThe answer is 42."})
    assert said == Example("6 * 7?", "We print(42).", "42", {"kind": "reasoning"})


@pytest.mark.parametrize(
    ("output", "reasoning", "answer"),
    [
        ("a\nThe answer is A", "a", "A"),
        ("a\nThe answer is (A).", "a", "(A)"),
        ("a\nSo, the answer is 5.", "a", "5"),
        ("The answer is 5. No.\nThe answer is 6.", "The answer is 5. No.", "6"),
        ("a\nThe answer is \\(x^2\\).", "a", "x^2"),
        ("a\nThe answer is $\\boxed{7}$.", "a", "7"),
        ("The answer is 5", "", "5"),
        ("a\nThe final answer is: 5", "a", "5"),
        ("Therefore, the total is what the answer is 12 - 3 = 9", None, "12 - 3 = 9"),
    ],
)
def test_where_mathinstruct_states_its_answer(output: str, reasoning: str | None, answer: str) -> None:
    item = read("mathinstruct", {"source": "data/CoT/x.json", "instruction": "q", "output": output})
    assert item == Example("q", output if reasoning is None else reasoning, answer, {"kind": "reasoning"})


def test_a_sentence_about_the_answer_is_no_answer() -> None:
    output = "The answer is that " + "it depends on many things, " * 10
    assert read("mathinstruct", {"source": "data/CoT/x.json", "instruction": "q", "output": output}) == chat(
        "q", output.strip(), kind="reasoning"
    )


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("\\boxed{1} and \\boxed{2}", "2"),
        ("\\boxed{\\frac{1}{\\sqrt{2}}}", "\\frac{1}{\\sqrt{2}}"),
        ("\\boxed{\\text{(A)}}", "\\text{(A)}"),
        ("$\\boxed 7$.", "7"),
        ("it is \\boxed 7.", "7"),
        ("\\fbox{9}", "9"),
        ("\\boxed{\\left\\{1\\right\\}}", "\\left\\{1\\right\\}"),
        ("\\boxed {3}", "3"),
    ],
)
def test_the_box_of_math(solution: str, answer: str) -> None:
    item = read("math", {"problem": "p", "solution": solution})
    assert item == Example("p", solution, answer)


@pytest.mark.parametrize("name", ["openmathinstruct", "numinamath-cot5m"])
def test_wrong_solutions_can_be_kept(name: str) -> None:
    row = next(row for row, item in PUBLISHED[name] if item is None)
    kept = formatter(name).format(row, VerdictOptions(wrong="keep"))
    assert isinstance(kept, Example)
    assert (kept.answer, kept.tags["correct"]) == ("42", "no")


def test_squad_accepts_any_of_its_answers() -> None:
    example = PUBLISHED["squad-v2"][0][1]
    phrase = EXTRACTORS["phrase"]
    assert isinstance(example, Example)
    assert all(phrase.correct(said, example) for said in ("Rome", "the Rome.", "in  rome", "ROME!"))
    assert not any(phrase.correct(said, example) for said in ("Paris", "", "in", "Rome and Paris", "unanswerable"))
    assert example.question.endswith(HOW)


# --- variants ----------------------------------------------------------------------------------------------


def test_the_variants_of_gsm8k_are_configurations_of_the_hub() -> None:
    gsm8k = formatter("gsm8k")
    assert list(gsm8k.variants()) == ["main", "socratic"]
    socratic = gsm8k.variant("socratic")
    assert (socratic.name, socratic.hub and socratic.hub.config) == ("gsm8k", "socratic")
    assert socratic.hub == dataclasses.replace(gsm8k.hub, config="socratic") if gsm8k.hub else False
    testing.check_dataset(socratic, [PUBLISHED["gsm8k"][1][0]])


def test_the_parts_of_gsm8k_share_its_training_split() -> None:
    fit, dev = (formatter("gsm8k").parts[name] for name in ("fit", "dev"))
    assert (fit.split, fit.start, fit.end, dev.split, dev.start, dev.end) == ("train", 0.0, 0.8, "train", 0.8, 1.0)


def test_the_variants_of_the_stack_are_folders() -> None:
    python = formatter("the-stack-dedup").variant("python")
    assert python.hub and (python.hub.data_dir, python.hub.streaming) == ("data/python", True)
    assert python.format(STACK, NoOptions()) == Text(STACK["content"])
    hub = formatter("the-stack-dedup").hub
    assert hub and hub.data_dir == ""


def test_the_variants_of_github_code_leave_other_languages_out() -> None:
    (python, _), (c, _) = PUBLISHED["github-code"]
    for name, row, other in (("python", python, c), ("c", c, python)):
        variant = formatter("github-code").variant(name)
        assert isinstance(variant.format(row, NoOptions()), Text)
        assert variant.format(other, NoOptions()) is None
    with pytest.raises(BadRow, match="no column 'path'"):
        formatter("github-code").variant("c").format({"code": "int x;"}, NoOptions())


def test_the_second_openmathinstruct() -> None:
    second = formatter("openmathinstruct").variant("2")
    assert second.hub and second.hub.id == "nvidia/OpenMathInstruct-2"
    assert set(second.columns) == set(PUBLISHED["openmathinstruct"][2][0])
    testing.check_dataset(second, [PUBLISHED["openmathinstruct"][2][0]])
    assert formatter("openmathinstruct").variant("1") is formatter("openmathinstruct")


@pytest.mark.parametrize("name", ["gsm8k", "openmathinstruct", "the-stack-dedup", "github-code"])
def test_a_variant_that_there_is_not_names_those_that_there_are(name: str) -> None:
    with pytest.raises(ReasonError, match=f"{name} has no variant 'klingon'") as caught:
        formatter(name).variant("klingon")
    assert all(variant in caught.value.hint for variant in formatter(name).variants())


def test_large_datasets_are_streamed() -> None:
    streamed = {name for name, item in FORMATTERS.items() if item.hub and item.hub.streaming}
    assert streamed == {"openmathinstruct", "numinamath-cot5m", "the-stack-dedup", "github-code"}


def test_mirrors_have_the_splits_of_what_they_mirror() -> None:
    for item in FORMATTERS.values():
        for mirror in item.hub.mirrors if item.hub else ():
            assert mirror.splits == item.hub.splits, item.name
