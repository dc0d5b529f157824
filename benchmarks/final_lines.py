r"""The ways in which a solution may write down its answer: in digits, words, LaTeX, with units, before a new question.

Each style writes any decimal value; `altered` gives values near one, which no grader may take for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

_BELOW_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_SMALL = _BELOW_TWENTY.split()
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SIZES = (("trillion", 10**12), ("billion", 10**9), ("million", 10**6), ("thousand", 1_000), ("hundred", 100))
_FULL_WIDTH = str.maketrans("0123456789.,-", "０１２３４５６７８９．，－")
_THINKING = (
    "<think>\nAda has 48 pens and 12 boxes.\n48 / 12 = 4, or 5 if one is lost.\nThe answer is 7? No.\n</think>\n\n"
)


def decimal(value: Fraction) -> str:
    """`1234.5`; only values with a short decimal form are written."""
    whole, rest = divmod(abs(value), 1)
    digits = ""
    while rest:
        digit, rest = divmod(rest * 10, 1)
        digits += str(int(digit))
    return "-" * (value < 0) + str(int(whole)) + "." * bool(digits) + digits


def grouped(value: Fraction, mark: str = ",") -> str:
    """`1,234.5`, with any mark between the thousands."""
    whole, point, rest = decimal(abs(value)).partition(".")
    return "-" * (value < 0) + f"{int(whole):,}".replace(",", mark) + point + rest


def indian(value: Fraction) -> str:
    """`12,34,567`."""
    whole, point, rest = decimal(value).partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    head, tail = digits[:-3], digits[-3:]
    groups = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return sign + ",".join([*groups, tail]) + point + rest


def in_words(value: Fraction) -> str:
    """`minus one thousand two hundred thirty-four point five`."""
    if value < 0:
        return f"minus {in_words(-value)}"
    whole, _, rest = decimal(value).partition(".")
    return _words(int(whole)) + (" point " + " ".join(_SMALL[int(digit)] for digit in rest) if rest else "")


def scientific(value: Fraction) -> str:
    """`1.234 × 10^3`."""
    power = max(0, len(str(int(abs(value)))) - 1)
    return f"{decimal(value / 10**power)} × 10^{power}"


def _words(value: int) -> str:
    if value < 20:
        return _SMALL[value]
    if value < 100:
        return _TENS[value // 10] + (f"-{_SMALL[value % 10]}" if value % 10 else "")
    name, size = next((name, size) for name, size in _SIZES if value >= size)
    rest = value % size
    return f"{_words(value // size)} {name}" + (f" {_words(rest)}" if rest else "")


def _zeros(value: Fraction, count: int) -> str:
    return grouped(value) + ("" if value.denominator > 1 else ".") + "0" * count


STYLES: dict[str, Callable[[Fraction], str]] = {
    "hash": lambda v: f"48 + 24 = {decimal(v)}\n#### {decimal(v)}",
    "hash, .0": lambda v: f"48 + 24\n#### {_zeros(v, 1)}",
    "final answer": lambda v: f"**Final Answer:** {decimal(v)}",
    "final answer, bold": lambda v: f"Final Answer: **{grouped(v)}**.",
    "final answer, code": lambda v: f"**Final Answer**\n\n`{decimal(v)}`",
    "final answer, a sum": lambda v: f"**Final Answer:** {decimal(v - 3)} + 3 = {decimal(v)} apples",
    "final answer, a step": lambda v: f"**Final Answer:** {grouped(v)}, as shown in step 3",
    "dollars": lambda v: f"**Final Answer:** ${grouped(v)}".replace("$-", "-$"),
    "dollars, .00": lambda v: f"The answer is ${_zeros(v, 2)}.",
    "dollars in words": lambda v: f"The answer is {grouped(v)} dollars.",
    "euros behind": lambda v: f"ANSWER: {grouped(v)}\u00a0€",
    "a currency's code": lambda v: f"Final Answer: USD {grouped(v)}",
    "percent": lambda v: f"The answer is {decimal(v)}%.",
    "unit": lambda v: f"The answer is: {grouped(v)} meters",
    "aside": lambda v: f"The answer is {grouped(v)} apples, which is 3 more than {decimal(v - 3)}.",
    "words": lambda v: f"**Final Answer:** {in_words(v).capitalize()}",
    "words and a unit": lambda v: f"The answer is **{in_words(v)}** apples.",
    "words in a sentence": lambda v: f"Ada had many. Now she has {in_words(v)} apples.",
    "no-break spaces": lambda v: f"#### {grouped(v, chr(0xA0))}",
    "narrow no-break spaces": lambda v: f"The answer is {grouped(v, chr(0x202F))} m.",
    "spaces": lambda v: f"Final Answer: {grouped(v, ' ')}",
    "apostrophes": lambda v: f"The answer is {grouped(v, chr(0x2019))}.",
    "underscores": lambda v: f"**Final Answer:** {grouped(v, '_')}",
    "Indian groups": lambda v: f"**Final Answer:** ₹{indian(v)}".replace("₹-", "-₹"),
    "full width": lambda v: f"Final Answer： {grouped(v).translate(_FULL_WIDTH)}",
    "the minus sign": lambda v: f"#### {decimal(v)}".replace("-", "\u2212"),
    "scientific": lambda v: f"The answer is {scientific(v)}.",
    "box": lambda v: f"So 3 of them have $\\boxed{{{decimal(v)}}}$ apples in 2 boxes.",
    "box, LaTeX groups": lambda v: f"\\[\\boxed{{\\${grouped(v, '{,}')} \\text{{ dollars}}}}\\]",
    "box in display math": lambda v: f"**Final Answer:**\n\\[\n\\boxed{{{grouped(v)}}}\n\\]",
    "answer tag": lambda v: f"<answer>\n{grouped(v)}\n</answer>",
    "JSON": lambda v: f'{{"steps": 3, "answer": {decimal(v)}, "checked": 1}}',
    "therefore": lambda v: f"5 * 3 = 15\nTherefore, Ada has {grouped(v)} apples.",
    "last number": lambda v: f"5 * 3 = 15, and then she has {grouped(v)} apples left.",
    "thinking in front": lambda v: f"{_THINKING}**Final Answer:** {grouped(v)}",
    "thinking, then a sentence": lambda v: f"{_THINKING}She has {decimal(v)} apples.",
    "a question behind": lambda v: f"#### {decimal(v)}\n\nQuestion: Ben has 5 and gets 6.\n#### 11",
    "a turn behind": lambda v: (
        f"The answer is {grouped(v)}.<|im_end|>\n<|im_start|>user\nAnd 5 + 6?<|im_end|>\n#### 11"
    ),
}


def altered(value: Fraction) -> Iterator[Fraction]:
    """Near values, none of them equal: one off, ten times as much, the sign turned, a digit gone or two exchanged."""
    digits = str(abs(int(value)))
    sign = -1 if value < 0 else 1
    others = [value + 1, value - 1, value * 10, value / 10, -value]
    if len(digits) > 1:
        others += [Fraction(sign * int(digits[:-1])), Fraction(sign * int(digits[1] + digits[0] + digits[2:]))]
    yield from (other for other in others if other != value)
