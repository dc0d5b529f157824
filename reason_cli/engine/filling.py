"""GSM8K's marks honoured while a model writes: after `<<48/2=` the exact result and `>>` follow.

One generation's rows are looked at together, each by its own text alone, so a row gets in a batch what it gets
by itself. A result that the last token already began (tokens such as `=.` and `=-` exist) is completed; one that
it began wrongly, and an expression that cannot be evaluated, are left to the model.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from transformers import LogitsProcessor

from reason_cli.calculator import MOST_CHARACTERS, evaluate

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

OPEN_MARK = re.compile(r"<<([^<>=]*)=([^<>=]*)$")
TAIL = 2 * MOST_CHARACTERS  # tokens read back for `<<`: two for each character, as bytes are where one is `×`


def completion(text: str) -> str:
    """What follows a text that ends in an open mark: the rest of its result and `>>`. Empty where nothing does."""
    mark = OPEN_MARK.search(text)
    result = evaluate(mark[1]) if mark else None
    if mark is None or result is None:
        return ""
    bare = result.replace("0.", ".", 1) if result.startswith(("0.", "-0.")) else result  # GSM8K writes `.5` too
    begun = mark[2].lstrip(" $")
    return next((f"{form[len(begun) :]}>>" for form in (result, bare) if form.startswith(begun)), "")


class Calculator:
    """The calculator for one tokenizer: which tokens may end an expression, and how results are tokenised."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
        self.equals = frozenset(token for token, text in enumerate(texts) if "=" in text)

    def begin(self, rows: int, prompt_length: int) -> Filling:
        """What `generate` needs to fill in one batch's results; `prompt_length` counts the padding too."""
        return Filling(self, rows, prompt_length)

    def follows(self, said: list[int]) -> list[int]:
        """The tokens that must follow those said so far; none where the model is free."""
        tail = said[-TAIL:]
        text = self._text(tail)
        wanted = completion(text)
        if not wanted:
            return []
        # After `=`, as where the tokenizer learned it: by itself a text may be given a space in front.
        for before in ("=", ""):
            head, whole = self._ids(before), self._ids(before + wanted)
            if whole[: len(head)] == head and self._text(tail + whole[len(head) :]) == text + wanted:
                return whole[len(head) :]
        return []

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _text(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, clean_up_tokenization_spaces=False))


class Filling(LogitsProcessor):
    """For one batch: leaves a row no choice but the tokens that its last mark asks for, one per step."""

    def __init__(self, calculator: Calculator, rows: int, prompt_length: int) -> None:
        self._calculator = calculator
        self._queues: list[deque[int]] = [deque() for _ in range(rows)]
        self._prompt_length = prompt_length  # what a prompt says opens no mark

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """`input_ids` (rows, length), `scores` (rows, vocabulary); gives scores with the forced tokens alone."""
        if input_ids.shape[1] > self._prompt_length:
            for row, newest in enumerate(input_ids[:, -1].tolist()):
                if newest in self._calculator.equals:
                    said = input_ids[row, self._prompt_length :].tolist()
                    self._queues[row].extend(self._calculator.follows(said))
        forced = {row: queue.popleft() for row, queue in enumerate(self._queues) if queue}
        if forced:
            rows, tokens = list(forced), list(forced.values())
            scores = scores.clone()
            scores[rows] = float("-inf")
            scores[rows, tokens] = 0.0
        return scores
