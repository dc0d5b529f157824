"""Units of measure, and how many of one another holds: a sum that changes its unit is not false by that much."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

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
