"""Reads tokens one after the other: what the two halves of the parser stand on."""

from __future__ import annotations

from typing import NoReturn

from reason_answers.algebra.tokens import Token, Unreadable
from reason_answers.algebra.trees import Node

DEEPEST = 24  # brackets in brackets; a dozen Python frames each
END = Token("end of text", None)


class Cursor:
    """A place in a list of tokens, how deep it is in brackets, and the units seen on the way."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = [*tokens, END, END, END]  # as far as anyone looks ahead
        self.at = 0
        self.depth = 0
        self.bars: int = 0  # absolute values that are open: the next bar closes one
        self.units: set[str] = set()

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    def peek(self, ahead: int) -> Token:
        """The token so far ahead, at most two; `END` behind the last."""
        return self.tokens[self.at + ahead]

    def sees(self, *signs: str) -> bool:
        """Whether one of these signs is next."""
        kind, value = self.tokens[self.at]
        return kind == "op" and value in signs

    def take(self) -> Token:
        """The next token, which then is behind."""
        if self.token is END:
            self.fail("the end")
        self.at += 1
        return self.tokens[self.at - 1]

    def takes(self, *signs: str) -> bool:
        """Whether one of these signs was next; then it is behind."""
        seen = self.sees(*signs)
        self.at += seen
        return seen

    def expect(self, sign: str) -> None:
        """Go past this sign. Raises `Unreadable` when another is next."""
        if not self.takes(sign):
            self.fail(f"no {sign}")

    def closed(self, node: Node, sign: str) -> Node:
        """`node`, if its closing sign is next, which then is behind."""
        self.expect(sign)
        return node

    def nest(self) -> None:
        """Go one level down. Raises `Unreadable` below `DEEPEST`."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail("nested too deep")

    def fail(self, what: str) -> NoReturn:
        """Raise `Unreadable`."""
        raise Unreadable(what)
