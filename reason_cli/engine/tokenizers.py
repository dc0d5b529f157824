"""Tokenizers by specification: `bytes`, `bpe:SIZE` trained on the spot, or one of the hub or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import Architecture
from reason_cli.engine.chat import CHATML
from reason_cli.engine.hub import ready
from reason_cli.engine.report import Reporter, Silent
from reason_cli.errors import ReasonError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END, START, PAD = "<|im_end|>", "<|im_start|>", "<|endoftext|>"
SPECIAL = (PAD, START, END)
# What models have for it, or never use: Llama 3.1's, Llama 3's, and as they are usually called.
SPARE = ("<|finetune_right_pad_id|>", "<|reserved_special_token_0|>", "<pad>", "[PAD]", "<|pad|>")
THINK = ("<think>", "</think>")  # single tokens, but part of the text: kept when an answer is decoded
BYTES = 256

# Words with the space before them, digits one by one (each with the space before it, so that a number costs
# as many tokens as it has digits), runs of punctuation, runs of space.
SPLIT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

FILES = ("tokenizer*", "vocab*", "*.model")  # what a tokenizer is in
SILENT = Silent()

# Vocabularies that are known without asking the hub.
KNOWN_SIZES = {"openai-community/gpt2": 50257, "gpt2": 50257}


def vocab_size(spec: str) -> int:
    """The vocabulary that `build` would give, ChatML's tokens included, without training or downloading.

    Raises `ReasonError` when it cannot be known offline.
    """
    size = _trained_size(spec)
    if size is not None:
        return size
    if spec in KNOWN_SIZES:
        return KNOWN_SIZES[spec] + len(SPECIAL) - 1 + len(THINK)  # GPT-2 has <|endoftext|> already
    return len(_pretrained(spec))


def vocab_size_for(architecture: Architecture, options: Any, spec: str) -> int:
    """The same; of its own tokenizer an architecture may know it without having it here."""
    known = architecture.vocab_size(options) if spec == architecture.tokenizer(options) else None
    return known or vocab_size(spec)


def _trained_size(spec: str) -> int | None:
    """The size of a tokenizer that is made here, `None` for one that is loaded."""
    smallest = BYTES + len(SPECIAL) + len(THINK)
    if spec == "bytes":
        return smallest
    if not spec.startswith("bpe:"):
        return None
    size = re.fullmatch(r"bpe:(\d+)", spec)
    if not size or int(size[1]) < smallest:
        raise ReasonError(f"cannot make tokenizer '{spec}'", f"write bpe:SIZE, at least {smallest}", usage=True)
    return int(size[1])


def build(
    spec: str, texts: Iterable[str], tokens: Sequence[str] = (), report: Reporter = SILENT
) -> PreTrainedTokenizerBase:
    """The tokenizer of a specification; `texts` are what a BPE is trained on, `tokens` are one token each.

    It always has a chat template, an end token and a pad token that is never the end token. `report` says where one
    that was loaded had no chat template.
    """
    size = _trained_size(spec)
    if size is None:
        tokenizer = _with_chat(_pretrained(spec), report)
    else:
        tokenizer = _byte_level(size, () if spec == "bytes" else texts)
    missing = [text for text in tokens if len(tokenizer(text, add_special_tokens=False)["input_ids"]) != 1]
    tokenizer.add_tokens(missing)
    return tokenizer


def load(path: str) -> PreTrainedTokenizerBase:
    """The tokenizer saved beside a checkpoint, padding on the left as generation wants it.

    It gets no token that its model does not know: one without a pad token pads with its end token, which generation
    masks, and one without a chat template stays so. Raises `ReasonError` where there is none.
    """
    none = ReasonError(f"{path} has no tokenizer", "put its tokenizer.json beside the weights")
    if Path(path).is_dir() and not any(file for kind in FILES for file in Path(path).glob(kind)):
        raise none
    tokenizer = _pretrained(path, "pass a folder that has its tokenizer's files beside its weights")
    if not len(tokenizer):  # what transformers makes of a folder without the words
        raise none
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def _byte_level(size: int, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """A byte-level BPE of at most `size` tokens: any text is encodable, and decodes to itself."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    if texts:
        trainer = trainers.BpeTrainer(
            vocab_size=size - len(SPECIAL) - len(THINK), initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in THINK])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        chat_template=CHATML,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def _pretrained(
    spec: str, hint: str = "pass --tokenizer bpe:8192 or bytes to make one here, or a folder that holds one"
) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    if not Path(spec).is_dir():
        ready()
    try:
        return AutoTokenizer.from_pretrained(spec, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ReasonError(f"cannot load tokenizer '{spec}': {first_line(error)}", hint) from None


def _spare(tokenizer: PreTrainedTokenizerBase) -> str:
    """A token to pad with that is never learned: one that the vocabulary has, so that no model must grow for it."""
    known = tokenizer.get_vocab()
    spares = (PAD, *SPARE, tokenizer.unk_token)
    return next((text for text in spares if text in known and text != tokenizer.eos_token), "<|pad|>")


def _with_chat(tokenizer: PreTrainedTokenizerBase, report: Reporter) -> PreTrainedTokenizerBase:
    """Give a tokenizer what it lacks: a chat template with its end token, and a pad token."""
    if not tokenizer.chat_template:
        known = len(tokenizer)
        tokenizer.add_special_tokens({"eos_token": END, "additional_special_tokens": [START]})
        tokenizer.add_tokens(list(THINK))
        tokenizer.chat_template = CHATML
        added = len(tokenizer) - known
        new = f"; {added} tokens of that are new to it" if added else ""
        report.say(f"the tokenizer has no chat template: conversations are written as ChatML{new}")
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        tokenizer.add_special_tokens({"pad_token": _spare(tokenizer)})
    return tokenizer
