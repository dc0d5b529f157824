r"""Whether two trees stand for the same answer.

Sets, lists, intervals, points and matrices are compared part by part, expressions by their values: exactly where
they are rational, else to `AGREE` of `DIGITS` digits; expressions in unknowns at the points of `POINTS`, which are
fixed. No text is ever given to sympy, whose parsers run it, and no other process and no clock are needed. Could two
different answers pass for the same?

* Rational numbers are compared exactly. Two different polynomials, or quotients of them, of degree d agree at a
  random point of these ranges with a chance of at most about d in a thousand for each unknown (Schwartz and Zippel),
  and here they would have to agree at eleven points.
* Other constants would have to share 40 digits. A decimal that is not written to 40 digits does not reach an
  irrational number, and answers with a few roots and functions keep far more distance from each other.
* Two expressions are the same if they agree wherever both have real values, at positive, negative and whole numbers:
  \sqrt{x^2} is |x| and not x; \ln x^2 and 2 \ln x are taken for the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import Any

from reason_answers.algebra.arithmetic import DIGITS, LOCK, Undefined, inexact, precise
from reason_answers.algebra.evaluation import Budget, evaluate
from reason_answers.algebra.reading import Answer
from reason_answers.algebra.relations import definition, interval, steps
from reason_answers.algebra.tokens import Unreadable
from reason_answers.algebra.trees import CONSTANTS, Node, names

WORK = 60_000  # steps of evaluation for one comparison; about 0.2 s
AGREE = DIGITS - 20
MOST_NAMES = 8
MOST_ITEMS = 40  # of a set that are compared each with each
ENOUGH = 2  # points at which both have a value

_MANY = frozenset({"list", "set", "union"})
_APART = frozenset({"bracket", "ratio", "matrix", "prose"})  # never the value of an expression


def _points() -> list[tuple[Fraction, ...]]:
    """Rows of values for up to `MOST_NAMES` unknowns: of both signs, small and larger, and whole."""
    random = Random(6)
    rows: list[tuple[Fraction, ...]] = []
    for low, high in ((1, 9), (1, 9), (-9, 9), (-9, -1), (-99, -9), (0, 1), (9, 99)):
        below = [random.randrange(101, 1_000) for _ in range(MOST_NAMES)]
        rows.append(tuple(Fraction(random.randrange(low * part + 1, high * part), part) for part in below))
    for _ in range(2):  # rising and falling: of n! / k! (n - k)! one order has no value
        numbers = sorted(map(Fraction, random.sample(range(3, 30), MOST_NAMES)))
        rows += [tuple(numbers), tuple(reversed(numbers))]
    return rows


POINTS = _points()


def same_answer(left: Answer, right: Answer) -> bool:
    """Whether two answers say the same; a unit counts only where both name one."""
    if left.tree is None or right.tree is None:
        return left.tree is right.tree and left.signs == right.signs != ""
    if left.units and right.units and left.units != right.units:
        return False
    return same(left.tree, right.tree)


def same(left: Node, right: Node) -> bool:
    """Whether two trees stand for the same answer; `False` where that cannot be told within `WORK` steps."""
    if left == right:
        return True
    try:
        with LOCK:
            return _Comparison().same(left, right)
    except (Unreadable, Undefined):
        return False


class _Comparison:
    def __init__(self) -> None:
        self.budget = Budget(WORK)
        self.known: dict[tuple[Node, tuple[str, ...], bool], list[Any]] = {}

    def same(self, left: Node, right: Node) -> bool:
        self.budget.pay(1)
        if left == right:
            return True
        if left.kind == "relation":
            return self.same_relation(left, right)
        if right.kind == "relation":
            return self.same_relation(right, left)
        if left.kind in _MANY or right.kind in _MANY:
            return self.same_items(left, right)
        if left.kind in _APART or right.kind in _APART:
            return left.kind == right.kind and self.same_parts(left, right)
        return self.same_values(left, right)

    def same_parts(self, left: Node, right: Node) -> bool:
        """Whether what stands in brackets, ratios or matrices is the same, each at its place."""
        if left.kind == "bracket":
            return left.parts[:2] == right.parts[:2] and self.each(left.parts[2], right.parts[2])
        if left.kind == "matrix":
            return len(left.parts) == len(right.parts) and all(map(self.each, left.parts, right.parts))
        return left.kind == "ratio" and self.each(left.parts, right.parts)

    def each(self, left: Sequence[Node], right: Sequence[Node]) -> bool:
        return len(left) == len(right) and all(map(self.same, left, right))

    # --- sets, lists, unions ---

    def same_items(self, left: Node, right: Node) -> bool:
        """Whether every item of each is one of the other's; order and repetition do not matter."""
        if {left.kind, right.kind} == {"union", "list"}:
            return False
        mine, others = _items(left), _items(right)
        if len(mine) > MOST_ITEMS or len(others) > MOST_ITEMS:
            return set(mine) == set(others)
        return self.within(mine, others) and self.within(others, mine)

    def within(self, items: tuple[Node, ...], others: tuple[Node, ...]) -> bool:
        return all(any(self.same(item, other) for other in others) for item in items)

    # --- equations, inequalities, membership ---

    def same_relation(self, left: Node, right: Node) -> bool:
        mine = interval(left)
        if right.kind == "relation":
            others = interval(right)
            if mine and others:
                return mine[0] == others[0] and self.same(mine[1], others[1])
            one, two = definition(left), definition(right)
            if one and two and {one[0].kind, two[0].kind} == {"symbol", "product"}:
                return self.same(one[1], two[1])  # y = 2x and f(x) = 2x
            return self.same_steps(steps(left), steps(right))
        if mine:
            return self.same(mine[1], right)
        named = definition(left)
        if named:
            return self.same(named[1], right)
        signs, sides = left.parts
        return set(signs) == {"="} and all(self.same(side, right) for side in sides)  # 2 + 3 = 5 and 5

    def same_steps(self, left: list[tuple[str, Node]], right: list[tuple[str, Node]]) -> bool:
        """Whether each step of the one (a < b of a < b < c) is one of the other's."""
        return (
            len(left) == len(right)
            and all(any(self.same_step(step, other) for other in right) for step in left)
            and all(any(self.same_step(step, other) for step in left) for other in right)
        )

    def same_step(self, left: tuple[str, Node], right: tuple[str, Node]) -> bool:
        """Whether d > 0 and d' > 0, or = 0, say the same: d' is a multiple of d, for `>` by a positive number."""
        if left[0] != right[0]:
            return False
        unknown = self.unknown(left[1], right[1])
        pairs = [(inexact(one), inexact(two)) for one, two in self.pairs(left[1], right[1], unknown, True)]
        first, second = next(((one, two) for one, two in pairs if one and two), (None, None))
        if first is None or len(pairs) < (ENOUGH if unknown else 1):
            return False
        multiple = all(_near(one * second, two * first) for one, two in pairs)
        return multiple and (left[0] in ("=", "!=") or precise().re(first * second) > 0)

    # --- values ---

    def same_values(self, left: Node, right: Node) -> bool:
        unknown = self.unknown(left, right)
        real = bool(unknown) and "i" not in names(left) | names(right)
        agreed = 0
        for one, two in self.pairs(left, right, unknown, real):
            if not _equal(one, two):
                return False
            agreed += 1
        return agreed >= (ENOUGH if unknown else 1)

    def unknown(self, left: Node, right: Node) -> tuple[str, ...]:
        found = tuple(sorted((names(left) | names(right)) - CONSTANTS))
        if len(found) > MOST_NAMES:
            raise Unreadable("many unknowns")
        return found

    def pairs(self, left: Node, right: Node, unknown: tuple[str, ...], real: bool) -> list[tuple[Any, Any]]:
        """The values of both, at the points where both have one."""
        both = zip(self.values(left, unknown, real), self.values(right, unknown, real), strict=True)
        return [(one, two) for one, two in both if one is not None and two is not None]

    def values(self, node: Node, unknown: tuple[str, ...], real: bool) -> list[Any]:
        """The values at all points, `None` where there is none; worked out once."""
        key = (node, unknown, real)
        if key not in self.known:
            points = [dict(zip(unknown, row, strict=False)) for row in (POINTS if unknown else POINTS[:1])]
            self.known[key] = [self.value(node, point, real) for point in points]
        return self.known[key]

    def value(self, node: Node, point: dict[str, Fraction], real: bool) -> Any:
        try:
            return evaluate(node, point, real, self.budget)
        except Undefined:
            return None


def _items(node: Node) -> tuple[Node, ...]:
    return node.parts if node.kind in _MANY else (node,)


def _equal(one: Any, two: Any) -> bool:
    if isinstance(one, Fraction) and isinstance(two, Fraction):
        return one == two
    return _near(inexact(one), inexact(two))


def _near(one: Any, two: Any) -> bool:
    return bool(abs(one - two) <= max(1, abs(one), abs(two)) * precise().mpf(10) ** -AGREE)
