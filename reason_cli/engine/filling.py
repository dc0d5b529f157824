"""GSM8K's marks honoured while a model writes: after `<<48/2=` the exact result and `>>` follow.

An answer is looked at by itself, whatever is generated beside it; what its prompt says opens no mark. A result that
the last token already began (tokens such as `=.` and `=-` exist) is completed; one that it began wrongly, and an
expression that cannot be evaluated, are left to the model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reason_cli.calculator import MOST_CHARACTERS, evaluate

if TYPE_CHECKING:
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
