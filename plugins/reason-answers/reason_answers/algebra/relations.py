r"""Equations and inequalities as what they say: differences that are zero or positive, and where an unknown lies."""

from __future__ import annotations

from reason_answers.algebra.trees import INFINITY, Node, negative, symbols

_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NAMES_OF_FUNCTIONS = frozenset("fghpqFGHPQTSVAN")


def is_name(node: Node) -> bool:
    """Whether a side of an equation only names the other: y, f(x), AB."""
    if node.kind == "product":
        first, *others = node.parts
        if all(part.kind == "symbol" and part.parts[0].isupper() for part in node.parts):
            return True
        base = first.parts[0] if first.kind == "power" else first  # f^{-1}(x)
        return base.kind == "symbol" and base.parts[0][0] in _NAMES_OF_FUNCTIONS and all(map(is_name, others))
    return node.kind == "symbol" and bool(symbols(node))


def definition(relation: Node) -> tuple[Node, Node] | None:
    """The name and what it stands for, of `y = 2x`, `f(x) = 2x`, `2x = y`, `S = 1 + 2 = 3`; `None` for others."""
    signs, sides = relation.parts
    if set(signs) != {"="}:
        return None
    first, *_, last = sides
    return (first, last) if is_name(first) else (last, first) if is_name(last) else None


def steps(relation: Node) -> list[tuple[str, Node]]:
    """`a < b <= c` as differences: b - a > 0, c - b >= 0."""
    signs, sides = relation.parts
    found = []
    for sign, left, right in zip(signs, sides, sides[1:], strict=False):
        if sign in ("<", "<="):
            sign, left, right = _TURNED[sign], right, left
        found.append((sign, Node("sum", (left, negative(right)))))
    return found


def interval(relation: Node) -> tuple[Node, Node] | None:
    r"""The unknown and the set of `x > 3`, `1 < x \le 2`, `x \ne 2` and `x \in [0, 1]`; `None` for other relations."""
    signs, sides = relation.parts
    if signs == ("in",):
        return sides[0], sides[1]
    if signs == ("!=",) and sides[0].kind == "symbol" and not symbols(sides[1]):
        below = Node("bracket", ("(", ")", (negative(INFINITY), sides[1])))
        return sides[0], Node("union", (below, Node("bracket", ("(", ")", (sides[1], INFINITY)))))
    if signs[0] in (">", ">="):
        signs, sides = tuple(_TURNED.get(sign, "") for sign in reversed(signs)), tuple(reversed(sides))
    if len(signs) > 2 or not set(signs) <= {"<", "<="}:
        return None
    if len(signs) == 1 and sides[0].kind == "symbol":
        signs, sides = ("<", *signs), (negative(INFINITY), *sides)
    elif len(signs) == 1:
        signs, sides = (*signs, "<"), (*sides, INFINITY)
    low, name, high = sides
    if name.kind != "symbol" or symbols(low) | symbols(high):
        return None
    return name, Node("bracket", ("(" if signs[0] == "<" else "[", ")" if signs[1] == "<" else "]", (low, high)))
