"""The signs and words of arithmetic in prose: its tokens, words that change a sum, and units of measure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

_LETTER = r"[^\W\d_]"
_AHEAD = r"(?=\s{0,3}[$(]?\s?(?:\.?\d|[¼-¾⅐-⅞]))"  # an operand follows
TOKEN = re.compile(
    rf"""
    (?P<equals>==?(?![=<>])|≈)
  | (?P<fraction>\\[dt]?frac\{{\d{{1,15}}\}}\{{\d{{1,15}}\}}
      | \d{{0,15}}[¼-¾⅐-⅞] | \d{{1,15}}[ ]\d{{1,15}}/\d{{1,15}}(?![\d/]))
  | (?P<number>\.?\d(?:[\d,._'’:]*\d)?)
  | (?P<percent>\\?% | percent\b)
  | (?P<of>of(?:[ ](?:the|her|his|their|its|those|these|all))?{_AHEAD})
  | (?P<operator>(?:[xX]|(?:plus|minus|times|divided[ ]by|multiplied[ ]by)\b){_AHEAD}
      | \\(?:times|cdot|div)\b | // | [-−–+×÷·⋅/](?!(?<=\w[-/]){_LETTER}) | (?<!\*)\*(?!\*))
  | (?P<word>[-/]?{_LETTER}\w*(?:['’-]{_LETTER}+)*)
  | (?P<stop>\\[()\[\]] | \.(?!\.) | [,;:!?—<>|])
  | (?P<remark>\([^()\d=]{{0,80}}\))
  | (?P<open>[(\[])
  | (?P<close>[)\]])
  | (?P<blank>\s+ | \\?[$€£¥°"“”] | \\[,;!] | \*\*+(?!\d) | (?<![\w)*])\*\*+ | \\text\s?\{{[^{{}}]{{0,60}}\}})
  | (?P<odd>.)
    """,
    re.VERBOSE | re.DOTALL,
)
SIGNS = {
    **dict.fromkeys(("-", "−", "–", "minus"), "-"),
    **dict.fromkeys(("+", "plus"), "+"),
    **dict.fromkeys(("/", "//", "÷", r"\div", "divided by"), "/"),
}  # every other operator multiplies
SHOWN = {"+": "+", "-": "-", "*": "×", "/": "÷"}
OPERATIONS = tuple(SHOWN.values())

# --- words that change a sum -------------------------------------------------------------------------------------

# After one of these a number is part of something that is not read: "half of 20 + 5", "3 more than 4 * 2".
LEADS = frozenset(
    {"half", "halves", "third", "thirds", "quarter", "quarters", "fourth", "fifth", "fifths", "sixth", "seventh"}
    | {"eighth", "ninth", "tenth", "twice", "thrice", "double", "triple", "than", "by", "from", "average", "mean"}
    | {"percentage", "negative"}
)
# Before one of these a number is not what its digits say: "5 thousand", "3 remainder 1", "9 am", "3 and a half".
CHANGES = frozenset(
    {"hundred", "thousand", "million", "billion", "trillion", "remainder", "squared", "cubed", "times", "am", "pm"}
    | {"st", "nd", "rd", "th", "half", "halves"}
)
# A dash may stand after one of these.
CONJUNCTIONS = frozenset({"and", "because", "so", "since", "then", "is", "are", "was", "were"})
ARTICLES = frozenset("aAI")  # the only single letters that stand for no quantity

# --- units of measure ---------------------------------------------------------------------------------------------

# Of each family, how many of one another they hold: a sum that changes its unit is not false by that much.
_FAMILIES = (
    ("second sec minute min hour hr day week month year", (4, 7, 12, 24, 30, 52, 60, 365, 1440, 3600)),
    ("inch inche foot feet yard mile", (3, 12, 36, 1760, 5280)),
    ("mm cm meter metre km kilometer kilometre gram kg kilogram ml liter litre", (10, 100, 1000)),
    ("ounce oz pound lb ton", (16, 2000)),
    ("teaspoon tablespoon cup pint quart gallon", (2, 3, 4, 8, 16, 48)),
    ("dollar cent $ ¢ percent %", (100, 1000, 1_000_000)),
    ("penny pennie nickel dime quarter", (2, 4, 5, 10, 20, 25, 100)),
    ("dozen", (12,)),
)
MEASURES = {name: frozenset(ratios) for names, ratios in _FAMILIES for name in names.split()}


def measure(unit: str) -> str:
    """A unit as `MEASURES` names it: `Hours` is `hour`."""
    return unit.lower().removesuffix("s")


def may_convert(units: Iterable[str], left: Fraction, right: Fraction) -> bool:
    """Whether two values that are not zero may be the same quantity, one of them in another of these units."""
    ratio = max(abs(left / right), abs(right / left))
    return any(ratio in MEASURES.get(measure(unit), ()) for unit in units)
