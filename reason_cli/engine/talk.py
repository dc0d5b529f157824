"""A conversation with a model, its answers heard as they are said. It knows no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reason_cli.api import Turn
from reason_cli.engine.backends import answers_of
from reason_cli.engine.chat import prompt_after
from reason_cli.engine.generate import Decoding, Request
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from reason_cli.engine.prompts import Prompting
    from reason_cli.engine.row import Row
    from reason_cli.engine.subject import Subject

UNREADABLE = "\ufffd"  # what stands for the bytes of a letter whose last are still to come


@dataclass(frozen=True)
class Reply:
    """An answer, without what it was made to begin with; its length in tokens, whether it ended by itself, and the
    seconds that it took.
    """

    text: str
    tokens: int
    finished: bool
    seconds: float


class Conversation:
    """Questions to a subject, each shown up to `turns` of those before it with their answers; 0: each stands alone.

    The n-th question is seeded by `seed` + n. Raises `ReasonError` for earlier turns in a plain template, which has no
    place for them.
    """

    def __init__(self, subject: Subject, put: Prompting, decoding: Decoding, seed: int = 0, turns: int = 0) -> None:
        if turns and put.plain:
            raise ReasonError("eval.template has no place for earlier turns", "leave --turns out", usage=True)
        self.subject, self.put, self.decoding, self.seed, self.turns = subject, put, decoding, seed, turns
        self.asked = 0
        self.past: list[Turn] = []

    def forget(self) -> None:
        """Begin anew."""
        self.past.clear()

    def ask(self, question: str, show: Callable[[str], None] = lambda text: None) -> Reply:
        """The answer; `show` is given its text piece by piece, as it is said."""
        request = Request(self._prompt(question), self.seed + self.asked)
        self.asked += 1
        stream, begun = Stream(self.decoding.stop, show), time.perf_counter()
        ((_, said),) = answers_of(self.subject, [request], self.decoding, stream.hear)
        stream.end(said.text)
        answer = Turn("assistant", self.put.template.prefill + said.text)
        if self.turns:
            self.past = [*self.past, Turn("user", question), answer][-2 * self.turns :]
        return Reply(said.text, said.tokens, said.finished, time.perf_counter() - begun)

    def _prompt(self, question: str) -> str:
        if not self.past:
            return self.put.prompt(self.subject.tokenizer, question)
        return prompt_after(self.subject.tokenizer, [*self.past, Turn("user", question)], self.put.template)


class Stream:
    """The text of an answer in pieces that will not change: half a letter and what may begin a stop string wait."""

    def __init__(self, stop: Sequence[str], show: Callable[[str], None]) -> None:
        self.stop, self.show, self.shown = stop, show, ""

    def hear(self, row: Row) -> None:
        """One more token was said."""
        self._to(self._settled(row.text()))

    def end(self, text: str) -> None:
        """This is all of it."""
        self._to(text)

    def _to(self, text: str) -> None:
        # An answer that is begun again, where memory was short, is the same: what was shown of it is not shown twice.
        if len(text) > len(self.shown):
            self.show(text[len(self.shown) :])
            self.shown = text

    def _settled(self, text: str) -> str:
        text = text.rstrip(UNREADABLE)
        longest = max(map(len, self.stop), default=0)
        for count in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-count:]) for stop in self.stop):
                return text[:-count]
        return text
