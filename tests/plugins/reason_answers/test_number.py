"""What `number` reads from a text, by which strategy, and which numbers it takes for the same."""

from __future__ import annotations

import pytest
from reason_answers.number import Number
from reason_answers.strategies import STRATEGIES

number = Number()

# Text, the value read (None: no answer), the strategy that reads it.
READINGS = [
    # final-answer
    ("**Final Answer:** 72", "72", "final-answer"),
    ("**Final Answer**: 72", "72", "final-answer"),
    ("**Final Answer** 72", "72", "final-answer"),
    ("Final Answer: 72", "72", "final-answer"),
    ("final answer: 72", "72", "final-answer"),
    ("FINAL ANSWER: 72", "72", "final-answer"),
    ("Final answer = 72", "72", "final-answer"),
    ("Final_Answer: 72", "72", "final-answer"),
    ("## Final Answer\n72", "72", "final-answer"),
    ("**Final Answer:**\n\n72", "72", "final-answer"),
    ("**Final Answer:** **72**", "72", "final-answer"),
    ("**Final Answer: 72**", "72", "final-answer"),
    ("*Final Answer:* 72.", "72", "final-answer"),
    ("**Final Answer:** $72", "72", "final-answer"),
    ("**Final Answer:** \\$72", "72", "final-answer"),
    ("**Final Answer:** $72$", "72", "final-answer"),
    ("**Final Answer:** 72 dollars", "72", "final-answer"),
    ("**Final Answer:** 72 apples (6 boxes of 12)", "72", "final-answer"),
    ("**Final Answer:** 12 + 60 = 72 apples", "72", "final-answer"),
    ("**Final Answer:** x = 72", "72", "final-answer"),
    ("**Final Answer:** \\boxed{72}", "72", "final-answer"),
    ("**Final Answer:** 1,234,567.", "1234567", "final-answer"),
    ("**Final Answer:** 1,234.50", "1234.5", "final-answer"),
    ("**Final Answer:** -5", "-5", "final-answer"),
    ("**Final Answer:** \u22125", "-5", "final-answer"),
    ("**Final Answer:** -$5", "-5", "final-answer"),
    ("**Final Answer:** $-5", "-5", "final-answer"),
    ("**Final Answer:** 50%", "50", "final-answer"),
    ("**Final Answer:** 50\\%", "50", "final-answer"),
    ("**Final Answer:** 3/4", "0.75", "final-answer"),
    ("**Final Answer:** 1/3", "1/3", "final-answer"),
    ("**Final Answer:** 1 1/2 hours", "1.5", "final-answer"),
    ("**Final Answer:** \\frac{3}{4}", "0.75", "final-answer"),
    ("**Final Answer:** .5", "0.5", "final-answer"),
    ("**Final Answer:** 0.10", "0.1", "final-answer"),
    ("**Final Answer:** 007", "7", "final-answer"),
    ("**Final Answer:** 1e3", "1000", "final-answer"),
    ("**Final Answer:** 2.5E-2", "0.025", "final-answer"),
    ("**Final Answer:** 1.2 × 10^3", "1200", "final-answer"),
    ("**Final Answer:** 3 \\times 10^{2}", "300", "final-answer"),
    ("**Final Answer:** €72", "72", "final-answer"),
    ("**Final Answer:** 5 meters", "5", "final-answer"),
    ("**Final Answer:** 9**9**9", "9", "final-answer"),
    # the last marker counts, and markers go before everything else
    ("Final Answer: 5. Wait.\nFinal Answer: 72", "72", "final-answer"),
    ("#### 5\n**Final Answer:** 72", "72", "final-answer"),
    ("**Final Answer:** 72\n\nThe answer is 5. #### 6 \\boxed{7}", "72", "final-answer"),
    ("**Final Answer:** 72\nI checked it 3 times.", "72", "final-answer"),
    # hash
    ("48 + 24 = 72\n#### 72", "72", "hash"),
    ("####72", "72", "hash"),
    ("#### $1,200", "1200", "hash"),
    ("#### -3", "-3", "hash"),
    ("#### 5\n#### 72", "72", "hash"),
    ("#### 72 clips", "72", "hash"),
    ("#### Answer: 72", "72", "hash"),
    ("#### **72**", "72", "hash"),
    ("####\n72", "72", "hash"),
    ("#### 72\nThe answer is 5", "72", "hash"),
    # answer-tag
    ("<answer>72</answer>", "72", "answer-tag"),
    ("<answer> $1,200 </answer> 5", "1200", "answer-tag"),
    # boxed
    ("so \\boxed{72}", "72", "boxed"),
    ("\\fbox{72}", "72", "boxed"),
    ("\\boxed{5} no, \\boxed{72}", "72", "boxed"),
    ("\\boxed{\\text{about }72}", "72", "boxed"),
    ("$\\boxed{\\frac{3}{4}}$", "0.75", "boxed"),
    ("$\\boxed{-\\frac{3}{4}}$", "-0.75", "boxed"),
    ("\\boxed{\\boxed{72}}", "72", "boxed"),
    ("\\boxed{1{,}200} is 1", "1200", "boxed"),
    ("\\boxed {72}", "72", "boxed"),
    ("\\boxed{72 \\text{ apples}} and 3 pears", "72", "boxed"),
    ("\\boxed{\\$72}", "72", "boxed"),
    ("\\boxed{\\}72}", "72", "boxed"),
    # the-answer-is
    ("The answer is 72.", "72", "the-answer-is"),
    ("the answer is: 72", "72", "the-answer-is"),
    ("The answer is **72**.", "72", "the-answer-is"),
    ("The final answer is 72.", "72", "the-answer-is"),
    ("Answer: 72", "72", "the-answer-is"),
    ("**Answer:** 72", "72", "the-answer-is"),
    ("So the correct answer is $18 for 3 days.", "18", "the-answer-is"),
    ("The answer is 6 * 12 = 72.", "72", "the-answer-is"),
    ("The answer equals 72", "72", "the-answer-is"),
    ("The answer is 5. No, the answer is 72.", "72", "the-answer-is"),
    ("The answer is\n72", "72", "the-answer-is"),
    # therefore
    ("Therefore, she has 72 marbles.", "72", "therefore"),
    ("Thus 48 + 24 = 72 clips.", "72", "therefore"),
    ("Hence Mia, who had 5, has 72", "72", "therefore"),
    ("48 + 24 = 72\n∴ 72", "72", "therefore"),
    ("Therefore she has 72.\nCheck: 72 - 24 = 48.", "72", "therefore"),
    ("Therefore she has 72.\n(That took 3 steps.)", "72", "therefore"),
    ("Therefore she has 5 boxes.\n5 * 12 = 60", "60", "last-number"),
    ("Therefore she has 5 boxes.\nSo it is 60", "60", "last-number"),
    # last-number
    ("72", "72", "last-number"),
    ("48 + 24 = 72", "72", "last-number"),
    ("She has 72 marbles.", "72", "last-number"),
    ("Mia has 5 and Ben has 72", "72", "last-number"),
    ("48 / 2 = 24\n48 + 24 = 72\n", "72", "last-number"),
    ("It costs $1,200.00!", "1200", "last-number"),
    ("from 10-5", "5", "last-number"),
    ("(12)-5", "5", "last-number"),
    ("a temperature of -5", "-5", "last-number"),
    ("3/4", "0.75", "last-number"),
    ("72 or so", "72", "last-number"),
    ("1e2", "100", "last-number"),
    ("seventy-two", "72", "last-number"),
    ("12, 13, 72", "72", "last-number"),
    ("72**", "72", "last-number"),
    # a marker without a digit gives way
    ("**Final Answer:** unknown\n#### 72", "72", "hash"),
    ("**Final Answer:**", None, None),
    ("#### \nThe answer is 72", "72", "hash"),
    ("#### none. The answer is 72", "72", "hash"),
    ("\\boxed{x}, the answer is 72", "72", "the-answer-is"),
    ("\\boxed{72", "72", "last-number"),
    ("The answer is unclear.\nTherefore 72.", "72", "therefore"),
    ("Therefore nobody knows.\nMaybe 72", "72", "last-number"),
    ("There are 72, therefore many", "72", "last-number"),
    ("The final answer must be positive: 72", "72", "last-number"),
    # no answer at all
    ("", None, None),
    ("   \n\t", None, None),
    ("I do not know.", None, None),
    ("**Final Answer:** none\n#### nothing\n\\boxed{x}", None, None),
    ("10\u201312", None, None),
    ("3/0", None, None),
    ("1e999", None, None),
    ("\u0663\u0664", None, None),
    # the model runs on into another turn or question
    ("**Final Answer:** 72<|im_end|>\n<|im_start|>user\n**Final Answer:** 5", "72", "final-answer"),
    ("**Final Answer:** 72\n<|im_start|>user\nAnd 5?", "72", "final-answer"),
    ("The answer is 72.\n\nQuestion: What is 2 + 3?\nThe answer is 5.", "72", "the-answer-is"),
    ("#### 72\nQ: And 5?\n#### 5", "72", "hash"),
    ("72\n**Question:** how many are 5?", "72", "last-number"),
    ("72\nUser: 5", "72", "last-number"),
    ("72<|endoftext|>5", "72", "last-number"),
    ("Question: Mia has 70 and gets 2.\nThe answer is 72.", "72", "the-answer-is"),
    # thinking is left out when an answer stands after it
    ("<think>\n#### 5\n</think>\n72", "72", "last-number"),
    ("<think>\nThe answer is 5\n</think>\n\n**Final Answer:** 72", "72", "final-answer"),
    ("<think>\n48 + 24 = 72\n</think>\n", "72", "last-number"),
    ("<think>\n#### 72\n</think>\n\nDone.", "72", "hash"),
    ("<think>\n48 + 24 = 72", "72", "last-number"),
    ("<think>a</think> 5 <think>6</think> 72", "72", "last-number"),
    ("</think>\n72", "72", "last-number"),
]

SAME = [
    ("1,200", "1200"),
    ("1200.0", "1200"),
    ("1200.", "1,200.00"),
    ("$72", "72"),
    ("72 dollars", "72"),
    ("**72**", "72"),
    ("3/4", "0.75"),
    ("1/2", "0.50"),
    ("2/6", "1/3"),
    ("1 1/2", "1.5"),
    ("\u22125", "-5"),
    ("-$5", "-5"),
    ("50%", "50"),
    ("1e3", "1000"),
    ("1.2e-1", "0.12"),
    ("-0", "0"),
    ("007", "7"),
    ("0.1", "1/10"),
    ("12345678901234567890", "12,345,678,901,234,567,890"),
    (" 72 \n", "72"),
]

DIFFERENT = [
    ("72", "73"),
    ("72", "-72"),
    ("72", "7.2"),
    ("1/3", "0.333"),
    ("0.3333333333333333", "1/3"),
    ("9007199254740993", "9007199254740992"),
    ("", "72"),
    ("", ""),
    ("none", "none"),
    ("1/0", "1/0"),
    ("1e999", "1e999"),
    ("12,00", "1200"),
    ("9**9**9", "387420489"),
    ("0.5", "50"),
]


@pytest.mark.parametrize(("text", "value", "strategy"), READINGS)
def test_readings(text: str, value: str | None, strategy: str | None) -> None:
    found = number.extract(text)
    assert (found and found.value, found and found.strategy) == (value, strategy)


@pytest.mark.parametrize(("text", "value", "strategy"), [r for r in READINGS if r[1] is not None])
def test_the_span_holds_the_value(text: str, value: str, strategy: str) -> None:
    found = number.extract(text)
    assert found is not None
    assert number.equal(text[slice(*found.span)], value)


@pytest.mark.parametrize(("left", "right"), SAME)
def test_same_value(left: str, right: str) -> None:
    assert number.equal(left, right)
    assert number.equal(right, left)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different_value(left: str, right: str) -> None:
    assert not number.equal(left, right)
    assert not number.equal(right, left)


def test_the_table_covers_every_strategy() -> None:
    assert {strategy for _, _, strategy in READINGS} - {None} == {name for name, _ in STRATEGIES}
    assert len(READINGS) + len(SAME) + len(DIFFERENT) >= 120
