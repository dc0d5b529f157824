"""An answer as it is written → what it says: a tree where it is understood, prose if it is words, else its signs."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from reason_answers import values
from reason_answers.algebra.parser import parse
from reason_answers.algebra.tokens import Unreadable, number
from reason_answers.algebra.trees import EMPTY, REALS, Node, holds, joined, negative, symbols
from reason_answers.algebra.vocabulary import FUNCTIONS

# Nothing longer is an answer; longer texts are compared as they stand.
LONGEST = 2_000  # characters

_PLAIN_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d{1,40})(?:\.\d{1,40})?", re.ASCII)
_WORDS = re.compile(r"\\(?:text(?:bf|it|rm)?|mbox|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_PROSE = re.compile(r"[A-Za-z][A-Za-z\s.,;:'’&()-]*")
_WORD = re.compile(r"[a-z]+")
_SPLIT = re.compile(r"[,;&]|\band\b|\bor\b")
_MATHEMATICAL = FUNCTIONS | {"and", "sqrt", "infinity", "inf"}
_PHRASES = {
    **dict.fromkeys(("all real numbers", "all reals", "real numbers"), REALS),
    **dict.fromkeys(("empty set", "no solution", "no solutions", "no real solution", "no real solutions"), EMPTY),
}
_EQUALS = re.compile(r"\A(?:=|≈|\\approx(?![a-zA-Z]))\s*(?=\S)")
_LITTLE = frozenset({"a", "an", "the"})
_DOLLAR = re.compile(r"(?<!\\)\$")
# Signs of plain text as LaTeX; exponents of several digits are left as they are.
_PRINTED = {
    **{ord(sign): f"^{digit}" for sign, digit in zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)},
    **{ord(sign): rf"\frac{terms}" for sign, terms in zip("½⅓⅔¼¾⅕⅛", (12, 13, 23, 14, 34, 15, 18), strict=True)},
    **{ord("０") + digit: str(digit) for digit in range(10)},
}
_LOOKS = re.compile(r"\\(?:left|right|displaystyle)(?![a-zA-Z])|(?<!\\)\\[,;:!> ]|[\s{}$~]")


class Answer(NamedTuple):
    """What an answer says; `tree` is `None` where it is not understood, and then its `signs` are compared."""

    tree: Node | None
    units: frozenset[str]
    signs: str


def plain_number(text: str) -> Fraction | None:
    """The value of a text that is a number in digits and nothing besides; the answer to nearly every question."""
    match = _PLAIN_NUMBER.fullmatch(text)
    return number(text.replace(",", "")) if match else None


@lru_cache(maxsize=4_096)
def read(text: str) -> Answer:
    """What an answer of at most `LONGEST` characters says. Total."""
    plain = _unwrapped(text)
    prose = _prose(plain)
    if prose:
        return Answer(prose, frozenset(), "")
    try:
        tree, units = parse(plain)
    except Unreadable:
        return Answer(None, frozenset(), _LOOKS.sub("", _WORDS.sub(r"\1", plain)).rstrip(".").casefold())
    return Answer(_without_signs(tree), units, "")


def _unwrapped(text: str) -> str:
    r"""The answer without what stands around it: `\(…\)`, `$…$`, `\text{…}`, braces, a full stop."""
    plain = _EQUALS.sub("", text.strip() if text.isascii() else text.translate(_PRINTED).strip())
    if len(_DOLLAR.findall(plain)) % 2 == 0:
        plain = _DOLLAR.sub(" ", plain).strip()
    for _ in range(4):
        before = plain
        plain = plain.rstrip(".").strip() if not plain.endswith("..") else plain
        for opening, closing in ((r"\(", r"\)"), (r"\[", r"\]")):
            if plain.startswith(opening) and plain.endswith(closing):
                plain = plain[2:-2].strip()
        whole = _WORDS.fullmatch(plain)
        plain = whole[1].strip() if whole else plain
        if plain == before:
            break
    core = plain.lstrip("{ ")
    opened, closed = plain[: len(plain) - len(core)].count("{"), plain.rstrip()[len(plain.rstrip("} ")) :].count("}")
    if opened == closed > 0 and "{" not in core:
        return core.rstrip("} ")
    return plain


def _prose(text: str) -> Node | None:
    """An answer in words: a number, a set that has a name, else the set of its parts; `None` if it is mathematics."""
    plain = _WORDS.sub(r" \1 ", text).strip()
    if not _PROSE.fullmatch(plain):
        return None
    lower = plain.casefold()
    if not any(len(word) > 2 and word not in _MATHEMATICAL for word in _WORD.findall(lower)):
        return None
    named = values.named_numbers(plain, 0, len(plain))
    if named and named[0].span == (0, len(plain.rstrip())):
        return Node("number", (named[0].value,))
    parts = (tuple(word for word in _WORD.findall(part) if word not in _LITTLE) for part in _SPLIT.split(lower))
    found = frozenset(part for part in parts if part)
    return _PHRASES.get(" ".join(*found) if len(found) == 1 else "") or Node("prose", (found,))


def _without_signs(tree: Node) -> Node:
    r"""The tree with each `\pm` in it read both ways; of several parts that say where one unknown lies, the union."""
    parts = tree.parts if tree.kind in ("list", "set") else (tree,)
    chosen: list[Node] = []
    for part in parts:
        chosen += [_signed(part, "pm"), _signed(part, "mp")] if holds(part, "pm", "mp") else [part]
    if tree.kind == "union" and all(part.kind == "set" for part in tree.parts):
        return Node("set", tuple(item for part in tree.parts for item in part.parts))
    if tree.kind == "list" and all(_is_inequality(part) for part in chosen) and len(symbols(tree)) == 1:
        return Node("union", tuple(chosen))
    return Node("set", tuple(chosen)) if tree.kind == "set" else joined("list", chosen)


def _is_inequality(node: Node) -> bool:
    return node.kind == "relation" and node.parts[0][0] not in ("=", "!=")


def _signed(node: Node, positive: str) -> Node:
    r"""The tree with the sign `positive`, `pm` or `mp`, read as plus, and the other as minus."""
    if node.kind in ("pm", "mp"):
        inner = _signed(node.parts[0], positive)
        return inner if node.kind == positive else negative(inner)
    return Node(node.kind, tuple(_signed_part(part, positive) for part in node.parts))


def _signed_part(part: Any, positive: str) -> Any:
    if isinstance(part, Node):
        return _signed(part, positive)
    return tuple(_signed_part(item, positive) for item in part) if type(part) is tuple else part
