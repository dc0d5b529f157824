"""The tree of an answer. Knows neither how it is written nor what it is worth.

| kind | parts |
| --- | --- |
| number | its value, a `Fraction` |
| symbol | its name: x, x_1, pi |
| sum, product | the terms, the factors |
| negative, inverse, degrees | the node |
| pm, mp | the node that has either sign |
| power | base, exponent |
| call | the function's name, its arguments |
| relation | the signs between the sides, the sides |
| bracket | opening sign, closing sign, items: a point, an interval, a vector |
| list, set, union, ratio | the items |
| matrix | the rows |
| prose | the set of its parts, each the words of it |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

CONSTANTS = frozenset({"pi", "e", "i", "infty"})


class Node(NamedTuple):
    """A tree: `kind` says what its `parts` are, which are nodes, tuples of nodes, values and names."""

    kind: str
    parts: tuple[Any, ...]


INFINITY = Node("symbol", ("infty",))
I = Node("symbol", ("i",))  # noqa: E741 - the imaginary unit


REALS = Node("bracket", ("(", ")", (Node("negative", (INFINITY,)), INFINITY)))
EMPTY = Node("set", ())


def children(node: Node) -> Iterator[Node]:
    """The nodes right below one."""
    for part in node.parts:
        if isinstance(part, Node):
            yield part
        elif type(part) is tuple:
            yield from (item for item in part if isinstance(item, Node))


def holds(node: Node, *kinds: str) -> bool:
    """Whether a node of one of these kinds is in the tree."""
    return node.kind in kinds or any(holds(child, *kinds) for child in children(node))


def symbols(node: Node) -> frozenset[str]:
    """The names in a tree that stand for unknown values."""
    return names(node) - CONSTANTS


def names(node: Node) -> frozenset[str]:
    """All names in a tree, those of constants too."""
    if node.kind == "symbol":
        return frozenset(node.parts)
    return frozenset().union(*map(names, children(node)))


def negative(node: Node) -> Node:
    """-node."""
    return Node("negative", (node,))


def inverse(node: Node) -> Node:
    """1 / node, folded where it is a number."""
    value = node.parts[0] if node.kind == "number" else None
    return Node("number", (1 / value,)) if value else Node("inverse", (node,))


def joined(kind: str, parts: list[Node]) -> Node:
    """A node of `kind`, or its only part."""
    return parts[0] if len(parts) == 1 else Node(kind, tuple(parts))
