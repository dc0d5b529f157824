r"""A small recursive-descent parser: the text of an answer → a tree. Knows no arithmetic.

    answer   = part (("," | "or") part)*           a list, in any order
    part     = relation ("\cup" relation)*
    relation = sum (("=" | "<" | "\in" | …) sum)*
    sum      = product (("+" | "-" | "\pm") product)*
    product  = factor (("\cdot" | "/" | nothing) factor)*
    factor   = sign* atom ("!" | "_" … | "^" power)*

It is linear in the number of tokens, and nests at most `DEEPEST` brackets.
"""

from __future__ import annotations

from fractions import Fraction

from reason_answers.algebra import units
from reason_answers.algebra.atoms import Atoms
from reason_answers.algebra.cursor import END
from reason_answers.algebra.tokens import Token, Unreadable, in_base, tokens
from reason_answers.algebra.trees import Node, inverse, joined, negative, symbols

MOST_RAISED = 6  # factorials, subscripts and powers of one atom
MOST_WORDS = 6  # of a unit

_RELATIONS = frozenset({"=", "<", ">", "<=", ">=", "!=", "in", ":"})
_STARTS = frozenset({"number", "symbol", "function", "begin"})
_START_SIGNS = frozenset({"(", "[", "{", r"\{", "frac", "sqrt", "binom", "langle", "lfloor", "lceil"})
_MONEY = frozenset({"dollar", "€", "£", "¥"})


def parse(text: str) -> tuple[Node, frozenset[str]]:
    """The tree of an answer, and the known units that it names. Raises `Unreadable`."""
    parser = _Parser(tokens(text))
    tree = parser.answer()
    if parser.token is not END:
        raise Unreadable(str(parser.token.value))
    return tree, frozenset(parser.units)


class _Parser(Atoms):
    def answer(self) -> Node:
        node = joined("list", self.items())
        return Node("call", ("binom", node, self.sum())) if self.takes("choose") else node

    def items(self) -> list[Node]:
        parts = [self.part()]
        while self.takes(",", ";"):
            while self.takes(",", ";"):  # "1, 2, and 3"
                pass
            parts.append(self.part())
        return parts

    def part(self) -> Node:
        parts = [self.relation()]
        while self.takes("cup"):
            parts.append(self.relation())
        return joined("union", parts)

    def relation(self) -> Node:
        sides, signs = [self.sum()], []
        while self.sees(*_RELATIONS):
            signs.append(self.take().value)
            sides.append(self.sum())
        if not signs:
            return sides[0]
        if set(signs) == {":"}:
            return Node("ratio", tuple(sides))
        if ":" in signs:
            self.fail(":")
        return Node("relation", (tuple(signs), tuple(sides)))

    def sum(self) -> Node:
        terms = [self.product()]
        while self.sees("+", "-", "pm", "mp"):
            sign = self.take().value
            term = self.product()
            terms.append(_signed(sign, term))
        return joined("sum", terms)

    def product(self) -> Node:
        factors = [self.factor()]
        while True:
            if self.takes("*"):
                factors.append(self.factor())
            elif self.takes("/"):
                factors.append(inverse(self.factor()))
            elif self.token.kind == "word" and self.token.value.lower() in units.SCALES:
                factors.append(Node("number", (Fraction(units.SCALES[self.take().value.lower()]),)))
            elif self.token.kind == "word":
                self.unit(factors)
            elif self.starts():
                self.beside(factors)
            else:
                return joined("product", factors)

    def factors(self) -> Node:
        r"""What a function without brackets applies to: `\sin 2x`, up to the next sign or function."""
        factors = [self.factor()]
        while self.token.kind in ("number", "symbol") or self.sees("frac", "sqrt", "/"):
            if self.takes("/"):
                factors.append(inverse(self.factor()))
            else:
                self.beside(factors)
        return joined("product", factors)

    def starts(self) -> bool:
        kind, value = self.token
        return kind in _STARTS or (kind == "op" and (value in _START_SIGNS or (value == "|" and not self.bars)))

    def beside(self, factors: list[Node]) -> None:
        """A factor without a sign before it; a proper fraction is added to a whole number before it."""
        fraction, last = self.sees("frac"), factors[-1]
        whole = last.parts[0] if last.kind == "negative" else last
        if self.token.kind == whole.kind == "number":
            self.fail("two numbers")
        right = self.factor()
        if fraction and _is_whole(whole) and _is_proper(right):
            mixed = Node("sum", (whole, right))
            factors[-1] = mixed if whole is last else negative(mixed)
        else:
            factors.append(right)

    def factor(self) -> Node:
        self.skip_money()
        sign = self.token.value if self.sees("+", "-", "pm", "mp") else None
        if sign is None:
            return self.raised(self.atom())
        self.at += 1
        self.nest()
        node = self.factor()
        self.depth -= 1
        return _signed(sign, node)

    def raised(self, base: Node) -> Node:
        """`base` with what follows it: factorials, degrees, subscripts and a power."""
        for _ in range(MOST_RAISED):
            if self.takes("!"):
                base = Node("call", ("factorial", base))
            elif self.takes("circ"):
                base = Node("degrees", (base,))
                self.units.add("degree")
            elif self.sees("'") and base.kind == "symbol":
                base = Node("symbol", (base.parts[0] + self.take().value,))
            elif self.takes("_"):
                base = self.lowered(base)
            elif self.takes("^"):
                if not self.is_mark():
                    base = Node("power", (base, self.exponent()))
            else:
                return base
        return self.fail("too many marks")

    def is_mark(self) -> bool:
        r"""Whether after a `^` comes `\circ` or `{\circ}`, which then is left without braces; likewise `\prime`."""
        braced = self.sees("{") and self.peek(2) == Token("op", "}")
        mark = self.peek(int(braced))
        if mark not in (Token("op", "circ"), Token("op", "prime")):
            return False
        self.at += 2 * braced
        self.tokens[self.at] = Token("op", "'") if mark.value == "prime" else mark
        return True

    def exponent(self) -> Node:
        self.nest()
        sign = self.takes("-")
        power = self.argument()
        if self.takes("^"):
            power = Node("power", (power, self.exponent()))
        self.depth -= 1
        return negative(power) if sign else power

    def lowered(self, base: Node) -> Node:
        """A subscript: the base that a number is written in, or a part of a name."""
        below = [self.take()]
        while below[0].value == "{" and below[-1].value != "}":
            below.append(self.take())
        below = below[1:-1] if len(below) > 1 else below
        if base.kind == "symbol":
            return Node("symbol", (f"{base.parts[0]}_{''.join(str(token.value) for token in below)}",))
        if base.kind == "number" and [token.kind for token in below] == ["number"]:
            return Node("number", (in_base(str(base.parts[0]), int(below[0].value)),))
        return self.fail("a subscript")

    def unit(self, factors: list[Node]) -> None:
        """Words after a value: its unit, with its power, which is left out."""
        words: list[str] = []
        while self.token.kind == "word" or (words and self.sees("/") and self.peek(1).kind == "word"):
            words.append(str(self.take().value))
        if self.takes("^"):
            self.argument()
        name = units.known(" ".join(words).replace(" / ", "/"))
        if name:
            self.units.add(name)
        elif len(" ".join(words).split()) > MOST_WORDS or any(symbols(factor) for factor in factors):
            self.fail("prose")

    def skip_money(self) -> None:
        while self.token.kind == "word" and self.token.value in _MONEY:
            self.units.add(self.take().value)


def _signed(sign: str, node: Node) -> Node:
    return node if sign == "+" else negative(node) if sign == "-" else Node(sign, (node,))


def _is_whole(node: Node) -> bool:
    return node.kind == "number" and node.parts[0].denominator == 1


def _is_proper(node: Node) -> bool:
    r"""Whether a `\frac` has the value of a proper fraction, of numbers."""
    values = [part.parts[0] for part in node.parts if part.kind == "number"]
    return node.kind == "product" and len(values) == 2 and 0 < values[0] * values[1] < 1
