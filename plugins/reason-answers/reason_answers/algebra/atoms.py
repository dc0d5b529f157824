"""The lower half of the parser: numbers, names, brackets, functions and matrices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction

from reason_answers.algebra.cursor import Cursor
from reason_answers.algebra.tokens import Token
from reason_answers.algebra.trees import EMPTY, REALS, Node, inverse, joined, negative

_OPENING = {"(": (")", "]"), "[": ("]", ")"), "langle": ("rangle",)}
_ROUNDED = {"lfloor": "floor", "lceil": "ceil"}
_MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "array", "smallmatrix"})
_SUCH_THAT = (Token("op", ":"), Token("op", "|"), Token("op", "mid"))
_HALF = Node("number", (Fraction(1, 2),))
_MINUS_ONE = negative(Node("number", (Fraction(1),)))


class Atoms(Cursor, ABC):
    """What an expression is put together from. What stands inside brackets is for the upper half."""

    @abstractmethod
    def answer(self) -> Node:
        """A whole answer."""

    @abstractmethod
    def items(self) -> list[Node]:
        """The parts of a list."""

    @abstractmethod
    def sum(self) -> Node:
        """An expression."""

    @abstractmethod
    def exponent(self) -> Node:
        """What follows a `^`."""

    @abstractmethod
    def factors(self) -> Node:
        """What a function without brackets applies to."""

    def atom(self) -> Node:
        """A number, a name, or what a bracket or command opens."""
        kind, value = self.take()
        if kind == "number":
            return Node("number", (value,))
        if kind == "symbol":
            return Node("symbol", (value,))
        if kind == "function":
            return self.function(value)
        if kind == "begin":
            return self.matrix(value)
        if kind == "word":
            return self.letters(value)
        self.nest()
        node = self.bracketed(value) if kind == "op" else self.fail(str(value))
        self.depth -= 1
        return node

    def bracketed(self, sign: str) -> Node:
        """What this sign, which is behind, opens."""
        if sign in _OPENING:
            return self.brackets(sign)
        if sign == "{":
            return self.braces()
        if sign == r"\{":
            return self.set()
        if sign == "|":
            return self.absolute()
        if sign in _ROUNDED:
            return self.closed(Node("call", (_ROUNDED[sign], self.sum())), sign.replace("l", "r", 1))
        if sign in ("frac", "binom"):
            top, bottom = self.argument(short=True), self.argument(short=True)
            return Node("product", (top, inverse(bottom))) if sign == "frac" else Node("call", (sign, top, bottom))
        if sign == "sqrt":
            return self.root()
        if sign == "emptyset":
            return EMPTY
        if sign in ("mathbb", "R"):
            return self.numbers(sign)
        return self.fail(sign)

    def argument(self, short: bool = False) -> Node:
        """What a command or a script applies to: braces, or one sign; `short`: one digit of a number, as in TeX."""
        kind, value = self.token
        if short and kind == "number" and value.denominator == 1 and value > 9:
            digits = str(value)
            self.tokens[self.at] = Token("number", Fraction(int(digits[1:])))
            return Node("number", (Fraction(int(digits[0])),))
        return self.atom()

    def braces(self) -> Node:
        """The group that a brace opens."""
        if self.takes("}"):
            return self.fail("nothing")
        bars, self.bars = self.bars, 0
        node = self.answer()
        self.bars = bars
        return self.closed(node, "}")

    def brackets(self, opening: str) -> Node:
        """One item in brackets is a group; several are a point, an interval or a vector."""
        bars, self.bars = self.bars, 0
        items = self.items()
        self.bars = bars
        closing = self.take()
        if closing.kind != "op" or closing.value not in _OPENING[opening]:
            return self.fail(str(closing.value))
        if len(items) == 1 and closing.value == _OPENING[opening][0]:
            return items[0]
        return Node("bracket", (opening, closing.value, tuple(items)))

    def set(self) -> Node:
        r"""The set that `\{` opens, or the values of an unknown that are such that …"""
        if self.takes(r"\}"):
            return EMPTY
        if self.token.kind == "symbol" and self.peek(1) in _SUCH_THAT:
            self.at += 2
            return self.closed(self.answer(), r"\}")
        return self.closed(Node("set", tuple(self.items())), r"\}")

    def absolute(self) -> Node:
        """What stands between bars."""
        self.bars += 1
        node = Node("call", ("abs", self.sum()))
        self.bars -= 1
        return self.closed(node, "|")

    def root(self) -> Node:
        """A root, with its index."""
        index: Node | None = None
        if self.takes("["):
            index = self.closed(self.sum(), "]")
        inner = self.argument()
        return Node("power", (inner, inverse(index) if index else _HALF))

    def numbers(self, sign: str) -> Node:
        """The real numbers as an interval; other number sets as names."""
        name = "R" if sign == "R" else self.argument().parts[-1]
        if name != "R":
            return Node("symbol", (f"mathbb {name}",))
        return REALS

    def matrix(self, name: str) -> Node:
        """The rows of an environment that is a matrix."""
        if name not in _MATRICES:
            return self.fail(name)
        self.nest()
        rows: list[tuple[Node, ...]] = []
        row = [self.sum()]
        while self.token.kind != "end":
            if self.takes("&"):
                row.append(self.sum())
                continue
            self.expect("row")
            rows.append(tuple(row))
            if self.token.kind == "end":
                row = []
                break
            row = [self.sum()]
        self.take()
        self.depth -= 1
        return Node("matrix", (*rows, tuple(row)) if row else tuple(rows))

    def function(self, name: str) -> Node:
        """A function with its power, its base and what it applies to."""
        self.nest()
        base = power = None
        while self.sees("_", "^"):
            if self.take().value == "_":
                base = self.argument(short=True)
            else:
                power = self.exponent()
        if power == _MINUS_ONE:
            name, power = f"arc{name}", None
        grouped = self.sees("(", "{", "|")
        inner = self.atom() if grouped else self.factors()
        self.depth -= 1
        node = Node("call", (name, inner) if base is None else (name, inner, base))
        return node if power is None else Node("power", (node, power))

    def letters(self, word: str) -> Node:
        """A word where a value should stand: a few letters are symbols, more are prose."""
        if not 1 <= len(word) <= 3 or not word.isalpha():
            return self.fail(word)
        letters = [Node("symbol", (letter,)) for letter in word]
        return joined("product", letters)
