"""A byte-level tokenizer as llama.cpp has it: tokens, what each is, merges, and how text is cut before they apply."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What stands in the place of `ByteLevel`'s own regex and is cut as that by llama.cpp's "gpt-2", because merges that
# were learned under it hold one digit at most. Where digits are not ASCII a merge of their bytes might join two.
SPLITS = (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",)
PRE = "gpt-2"
# llama.cpp asks for merges even where there are none: this one joins nothing, its result is no token.
NO_MERGE = "Ā Ā"


@dataclass(frozen=True)
class Vocabulary:
    """By id: tokens and their types (`gguf.TokenType`); merges, two tokens each with a space between."""

    tokens: list[str]
    types: list[int]
    merges: list[str]


def unreadable(tokenizer: PreTrainedTokenizerBase) -> str:
    """Why llama.cpp would cut texts otherwise; empty: it would not."""
    if not tokenizer.is_fast:
        return "its tokenizer has no tokenizer.json"
    written = described(tokenizer)
    if written["model"]["type"] != "BPE" or written.get("normalizer"):
        return "its tokenizer is no byte-level BPE as GPT-2's"
    cuts = written.get("pre_tokenizer") or {}
    steps = cuts.get("pretokenizers", [cuts])
    *before, last = steps
    splits = [step.get("pattern", {}).get("Regex") for step in before if step.get("type") == "Split"]
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space") or len(splits) != len(before):
        return "its tokenizer is no byte-level BPE as GPT-2's"
    if tuple(splits) != (() if last.get("use_regex") else SPLITS):
        return "its tokenizer cuts texts otherwise than GPT-2's"
    return ""


def vocabulary(tokenizer: PreTrainedTokenizerBase, rows: int) -> Vocabulary:
    """As many tokens as the model has rows of embeddings; those without a text are never used."""
    from gguf import TokenType

    texts = {number: text for text, number in tokenizer.get_vocab().items()}
    added = tokenizer.added_tokens_decoder
    tokens, types = [], []
    for number in range(rows):
        tokens.append(texts.get(number, f"[PAD{number}]"))
        if number not in texts:
            types.append(TokenType.UNUSED)
        elif number not in added:
            types.append(TokenType.NORMAL)
        else:
            types.append(TokenType.CONTROL if added[number].special else TokenType.USER_DEFINED)
    merges = described(tokenizer)["model"]["merges"]
    joined = [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
    return Vocabulary(tokens, [int(kind) for kind in types], joined or [NO_MERGE])


def described(tokenizer: Any) -> dict[str, Any]:
    """tokenizer.json."""
    return json.loads(tokenizer.backend_tokenizer.to_str())


def template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The chat template without the marks of transformers' own, which other readers may not know and which say nothing
    about the text.
    """
    return re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", str(tokenizer.chat_template or ""))
