"""One answer in the making: what was said, what must follow, whether it is over. It knows its own tokens alone."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from reason_cli.engine.filling import Calculator


class Endings:
    """When an answer is over: at one of the end tokens, before one of the stop strings, or at a number of tokens."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, ends: frozenset[int], stop: Sequence[str], most: int
    ) -> None:
        self.tokenizer, self.ends, self.stop, self.most = tokenizer, ends, tuple(stop), most
        # A token adds one byte at least, and what a token completes is searched for as soon as it is said.
        self._tail = max((len(text.encode()) for text in stop), default=0) + 1

    def stops(self, said: list[int]) -> bool:
        """Whether the newest token completes a stop string; special tokens are read as they are spelled."""
        return bool(self.stop) and self._first_stop(self._text(said[-self._tail :], special=True)) >= 0

    def read(self, said: list[int]) -> str:
        """The text up to the first stop string, without special tokens."""
        text = self._text(said, special=False)
        first = self._first_stop(text)
        return text if first < 0 else text[:first]

    def _first_stop(self, text: str) -> int:
        return min((at for at in map(text.find, self.stop) if at >= 0), default=-1)

    def _text(self, ids: list[int], special: bool) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=not special))


class Row:
    """The answer to one prompt, token by token.

    `index` is its request's, `prompt` holds token ids, `seed` is of its own random numbers, one for each token, so
    that what is drawn depends on nothing but prompt and seed. `done`: it takes no more tokens. `finished`: because it
    ended by itself, at an end token (counted in `said`) or a stop string. `most` is the number of tokens it may take.
    `heard` hears of every token.
    """

    def __init__(
        self,
        index: int,
        prompt: list[int],
        seed: int,
        endings: Endings,
        calculator: Calculator | None = None,
        heard: Hearer | None = None,
    ) -> None:
        self.index, self.prompt, self.seed = index, prompt, seed
        self.said: list[int] = []
        self.done = self.finished = False
        self.most = endings.most
        self._endings, self._calculator, self._heard = endings, calculator, heard
        self._forced: deque[int] = deque()
        self._random = random.Random(seed)

    def anew(self) -> Row:
        """The same answer, not begun."""
        return Row(self.index, self.prompt, self.seed, self._endings, self._calculator, self._heard)

    def uniform(self) -> float:
        """The next of its random numbers, from 0 to 1."""
        return self._random.random()

    def say(self, chosen: int) -> int:
        """Add the model's choice, or the token that the calculator asks for in its place; returns what was added."""
        token = self._forced.popleft() if self._forced else chosen
        self.said.append(token)
        self.finished = token in self._endings.ends or self._endings.stops(self.said)
        self.done = self.finished or len(self.said) >= self._endings.most
        if self._calculator and not self.done and token in self._calculator.equals:
            self._forced.extend(self._calculator.follows(self.said))
        if self._heard:
            self._heard(self)
        return token

    def text(self) -> str:
        """What was said, without end token, special tokens and all from the first stop string on."""
        over = bool(self.said) and self.said[-1] in self._endings.ends
        return self._endings.read(self.said[:-1] if over else self.said)


Hearer = Callable[[Row], None]  # hears of an answer with each of its tokens
