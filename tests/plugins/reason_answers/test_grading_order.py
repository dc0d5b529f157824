"""Where the answer of a text is looked for, and which texts give none."""

from __future__ import annotations

import pytest
from reason_answers.number import Number
from reason_answers.strict import Strict

number, strict = Number(), Strict()

# Rule: texts, the number read (None: no answer) and, where it matters, the strategy.
RULES: dict[str, list[tuple[str, str | None, str]]] = {
    "stops where the model runs on": [
        ("#### 72\n\nQuestion: And 5?\n#### 5", "72", "hash"),
        ("#### 72\n\n**Question 2:** And 5?\n#### 5", "72", "hash"),
        ("#### 72\nQ: And 5?\nA: 5", "72", "hash"),
        ("#### 72\n\nProblem 2: And 5?\n#### 5", "72", "hash"),
        ("#### 72\n### Problem 2\nAnd 5?\n#### 5", "72", "hash"),
        ("#### 72\n\n### Instruction:\nAdd 2 and 3.\n#### 5", "72", "hash"),
        ("#### 72\n\n### Instruction\nAdd 2 and 3.\n#### 5", "72", "hash"),
        ("#### 72\nUser: 5?\n#### 5", "72", "hash"),
        ("#### 72\nHuman: 5?\n#### 5", "72", "hash"),
        ("#### 72\n\nNew question: 5?\n#### 5", "72", "hash"),
        ("#### 72<|im_end|>\n<|im_start|>user\n#### 5", "72", "hash"),
        ("#### 72<|eot_id|><|start_header_id|>user<|end_header_id|>\n#### 5", "72", "hash"),
        ("#### 72</s>#### 5", "72", "hash"),
        ("#### 72<end_of_turn>\n<start_of_turn>user\n#### 5", "72", "hash"),
        ("#### 72 [INST] #### 5 [/INST]", "72", "hash"),
        ("#### 72<|endoftext|>#### 5", "72", "hash"),
        ("She has 72.\nQUESTION: 5?", "72", "last-number"),
        ("<|im_start|>assistant\n#### 72<|im_end|>\n#### 5", "72", "hash"),
        ("Question: 5?\nShe has 72.", "72", "last-number"),
        ("\n\nProblem: 5?\n#### 72", "72", "hash"),
        ("The question: is it 5? No, 72.", "72", "last-number"),
        ("My question is hard.\n#### 72", "72", "hash"),
        ("### Problem analysis\n48 + 24\n#### 72", "72", "hash"),
        ("Users: 5\n#### 72", "72", "hash"),
        ("<think>\nSo.\nQuestion: 5?\n48 + 24 = 72\n</think>\n#### 72", "72", "hash"),
        ("So.\nQuestion: 5?\n48 + 24 = 72\n</think>\n#### 72", "72", "hash"),
        ("<think>\n1\n</think>\n#### 72\nQuestion: 5?\n<think>\n2\n</think>\n#### 5", "72", "hash"),
        ("#### 72\nQuestion: 5?\n<think>\n2\n</think>\n#### 5", "72", "hash"),
    ],
    "leaves the thinking out": [
        ("<think>\n#### 5\n</think>\nIt is 72.", "72", "last-number"),
        ("<think>\n\\boxed{5}\n</think>\n\\boxed{72}", "72", "boxed"),
        ("<thinking>\n#### 5\n</thinking>\n72", "72", "last-number"),
        ("<reasoning>\n#### 5\n</reasoning>\n<answer>72</answer>", "72", "answer-tag"),
        ("<scratchpad>#### 5</scratchpad> 72", "72", "last-number"),
        ("<THINK>#### 5</THINK> 72", "72", "last-number"),
        ("[THINK]#### 5[/THINK] 72", "72", "last-number"),
        ("<think>1<think>2</think>#### 5</think> 72", "72", "last-number"),
        ("<think>1</think> so <think>#### 5</think> 72", "72", "last-number"),
        ("<think>1</think> 72 <think>#### 5</think>", "72", "last-number"),
        ("<think>1</think> #### 72 <think>still #### 5", "72", "hash"),
        ("#### 72\n<think>let me check: #### 5</think>\nDone.", "72", "hash"),
        ("#### 5 thinking\n</think>\n\n72", "72", "last-number"),
        ("<think>\n48 + 24 = 72", "72", "last-number"),
        ("<think>\n#### 72\n</think>\n", "72", "hash"),
        ("<think>\n#### 72\n</think>\nThat is all.", "72", "hash"),
        ("<think>\nQuestion: 48 and 24?\nThe sum is 72", "72", "last-number"),
        ("<think></think>\n\n**Final Answer:** 72", "72", "final-answer"),
        ("I think 5 > 4 and 72", "72", "last-number"),
    ],
    "the marker, then the box, then phrases, then the last number": [
        ("\\boxed{5} **Final Answer:** 72 and the answer is 6", "72", "final-answer"),
        ("The answer is 5. \\boxed{72} Therefore 6", "72", "boxed"),
        ("Therefore 5. The answer is 72.", "72", "the-answer-is"),
        ("<answer>72</answer> \\boxed{5}", "72", "answer-tag"),
        ("#### 5 <answer>72</answer>", "72", "answer-tag"),
        ("<answer>\n72\n</answer>", "72", "answer-tag"),
        ("<answer>$72</answer>", "72", "answer-tag"),
        ("<answer>72", "72", "answer-tag"),
        ("<ANSWER>72</ANSWER>", "72", "answer-tag"),
        ("<final_answer>72</final_answer>", "72", "answer-tag"),
        ("[ANSWER]72[/ANSWER]", "72", "answer-tag"),
        ("<answer>5</answer> no <answer>72</answer>", "72", "answer-tag"),
        ("<answer>\nShe had 48 and 24.\nThe answer is 72.\n</answer>", "72", "answer-tag"),
        ("<answer>\n48 + 24 = 72\nSo \\boxed{72}, 5 more.\n</answer>", "72", "answer-tag"),
        ("<answer></answer> 72", "72", "last-number"),
        ("ANSWER: 72", "72", "final-answer"),
        ("**ANSWER:** 72 \\boxed{5}", "72", "final-answer"),
        ("Final answer is 72", "72", "final-answer"),
        ("So.\nFinal answer is: 72", "72", "final-answer"),
        ("Final Answer (in dollars): 72", "72", "final-answer"),
        ("Final Answer - 72", "72", "final-answer"),
        ("Final Answer \u2192 72", "72", "final-answer"),
        ("Final Answer: -72", "-72", "final-answer"),
        ("Ｆinal", None, ""),
        ("Final Answer： 72", "72", "final-answer"),
        ("### Final Answer\n\n$$\n72\n$$", "72", "final-answer"),
        ("**Final Answer:**\nThe number of clips is:\n72", "72", "final-answer"),
        ('{"reasoning": "48 + 24", "answer": 72, "steps": 2}', "72", "the-answer-is"),
        ("`answer`: 72 of 80", "72", "the-answer-is"),
        ("the answer would be 72, 5 more", "72", "the-answer-is"),
        ("#### Step 1: add\n48 + 24 = 72\n#### Step 2: done", "72", "last-number"),
        ("**Final Answer:** 12, as shown in step 3", "12", "final-answer"),
        ("It is 12, as shown in step 3", "12", "last-number"),
        ("#### 10.", "10", "hash"),
        ("42 ...", "42", "last-number"),
        ("The answer is 72 marbles, which is 3 more than 69", "72", "the-answer-is"),
        ("**Final Answer:** 12 + 60 = 72 marbles", "72", "final-answer"),
        ("**Final Answer:** 12 apples + 60 apples = 72 apples", "72", "final-answer"),
        ("**Final Answer:** 72 = 6 * 12", "72", "final-answer"),
        ("**Final Answer:** 72 marbles (6 * 12 = 72, or 70 + 2)", "72", "final-answer"),
        ("**Final Answer:** 48 / 2 = 24, 48 + 24 = 72", "72", "final-answer"),
        ("**Final Answer:** After 3 days, she has 72 marbles", "72", "final-answer"),
        ("**Final Answer:** The 2 boys have 72 marbles", "72", "final-answer"),
        ("**Final Answer:** She sold 48 and then 24, for a total of 72 clips", "72", "final-answer"),
        ("**Final Answer:** With 2 boxes he has **72** marbles in 3 rows", "72", "final-answer"),
        ("**Final Answer:** She has 72 marbles after 3 days", "72", "final-answer"),
        ("**Final Answer:** She needs 6 boxes of 12, so 72", "72", "final-answer"),
        ("**Final Answer:** He fills 6 boxes of 12 eggs, therefore **72 eggs**.", "72", "final-answer"),
        ("**Final Answer:** Ann had 48 and found 24 => $72", "72", "final-answer"),
        ("**Final Answer:** She has 72, so 3 more than she had before", "72", "final-answer"),
        ("**Final Answer:** 72 marbles, so 6 boxes", "72", "final-answer"),
        ("**Final Answer:** The total for 3 is \\boxed{72}, 5 each", "72", "final-answer"),
        ("She has seventy-two clips.", "72", "last-number"),
        ("48 + 24 = 72, so the two of them are done", "72", "last-number"),
        ("Therefore, she has seventy-two clips.", "72", "therefore"),
        ("One can see that nobody knows", None, ""),
        ("The answer is 72 \u2014 48 in April and 24 in May", "72", "the-answer-is"),
        ("The answer is half of 144, which is 72", "72", "the-answer-is"),
        ("Thus, the total is 72 (48 + 24).", "72", "therefore"),
        ("It is 72 (6 * 12).", "72", "last-number"),
        ("It is 6 * 12 (= 72).", "72", "last-number"),
        ("The answer is 72 inches (6 feet).", "72", "the-answer-is"),
        ("答えは72です", "72", "last-number"),
    ],
    "what is taken back is not the answer": [
        ("The answer is not 5 but 72", "72", "the-answer-is"),
        ("The answer is 72, not 70", "72", "the-answer-is"),
        ("It is 72 (not 70)", "72", "last-number"),
        ("It is 72 instead of 70", "72", "last-number"),
        ("It is 72 rather than 70.", "72", "last-number"),
        ("She got 72 out of 100", "72", "last-number"),
        ("The answer is 5, no, 72", "72", "the-answer-is"),
        ("**Final Answer:** 5. Wait, 72", "72", "final-answer"),
        ("The answer is not 5", None, ""),
    ],
    "hedged answers are none": [
        *[("The answer is 72 or 73", None, ""), ("**Final Answer:** either 72 or 73", None, "")],
        *[("#### 72 (or maybe 73)", None, ""), ("\\boxed{72 \\text{ or } 73}", None, "")],
        *[("**Final Answer:** 72, or possibly 73", None, ""), ("<answer>72 or 73</answer>", None, "")],
        *[("**Final Answer:** between 70 and 75", None, ""), ("**Final Answer:** 70-75", None, "")],
        *[("**Final Answer:** 70\u201375", None, ""), ("**Final Answer:** 70 to 75", None, "")],
        *[("**Final Answer:** 70 - 75", None, ""), ("**Final Answer:** $70 or $75", None, "")],
        *[("**Final Answer:** 72 marbles or 73 marbles", None, ""), ("#### 72 or seventy-three", None, "")],
        *[("**Final Answer:** seven or eight", None, ""), ("**Final Answer:** 72, maybe 73", None, "")],
        *[("**Final Answer:** 72, but it might be 73", None, ""), ("**Final Answer:** 72 ± 1", None, "")],
        *[("**Final Answer:** 72 and/or 73", None, ""), ("\\boxed{72} or \\boxed{73}", None, "")],
        *[("The answer is 72 or 73.\nShe has 72.", None, ""), ("#### 72 or 73\nThe answer is 72", None, "")],
        *[("<think>\n72\n</think>\n72 or 73", None, ""), ("It is 72 or 73.", None, ""), ("It is 70-75.", None, "")],
        *[("It is between 70 and 75.", None, ""), ("72 or 73 marbles", None, ""), ("Therefore 72 or 73", None, "")],
        *[("**Final Answer:** 3, 4", None, ""), ("**Final Answer:** 12 apples and 60 pears", None, "")],
        *[
            ("**Final Answer:** 12 + 60", None, ""),
            ("#### 6 * 12", None, ""),
            ("It took 2 hours and 30 minutes.", None, ""),
        ],
        *[("**Final Answer:** 72 or 72.0", "72", "final-answer"), ("It is 72 or 72.00", "72", "last-number")],
        *[("**Final Answer:** about 72", "72", "final-answer"), ("**Final Answer:** approximately 72", "72", "")],
        *[("**Final Answer:** 72 or so", "72", "final-answer"), ("**Final Answer:** 3 or more", "3", "final-answer")],
        *[("**Final Answer:** at least 3", "3", "final-answer"), ("**Final Answer:** maybe 72", "72", "final-answer")],
        *[("**Final Answer:** 120 minutes or 2 hours", "120", ""), ("**Final Answer:** 50% or 0.5", "50", "")],
        *[("**Final Answer:** 3/4 or 0.75", "0.75", ""), ("**Final Answer:** a dozen, or 12", "12", "")],
        *[("3 red or blue pens cost 72", "72", "last-number"), ("He went from 70 to 75", "75", "last-number")],
        *[("Pick 3 or 4.\nThe answer is 72", "72", "the-answer-is"), ("72 - 70 = 2", "2", "last-number")],
        *[("from 10-5", "5", "last-number"), ("The difference between 70 and 75 is 5", "5", "last-number")],
    ],
}
CASES = [(rule, *case) for rule, cases in RULES.items() for case in cases]


@pytest.mark.parametrize(("rule", "text", "value", "strategy"), CASES)
def test_the_rule(rule: str, text: str, value: str | None, strategy: str) -> None:
    found = number.extract(text)
    assert (found and found.value) == value
    assert found is None or strategy in ("", found.strategy), found


@pytest.mark.parametrize(("rule", "text", "value", "strategy"), CASES)
def test_strict_finds_the_same_by_a_marker_only(rule: str, text: str, value: str | None, strategy: str) -> None:
    found, strictly = number.extract(text), strict.extract(text)
    if found and found.strategy in number.marked:
        assert strictly == found
    elif found is None:
        assert strictly is None
    else:
        assert strictly is None or strictly.strategy in strict.marked


@pytest.mark.parametrize("near", ["71", "73", "-72", "7.2", "720", "27", "7", "2"])
def test_a_near_value_is_wrong_wherever_it_is_looked_for(near: str) -> None:
    for _, text, value, _ in CASES:
        if value == "72":
            found = number.extract(text)
            assert found and not number.equal(found.value, near)


def test_enough_cases() -> None:
    assert len(CASES) >= 130
