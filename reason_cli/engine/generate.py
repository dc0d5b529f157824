"""Answers to prompts: greedy or sampled, ended by an end token, a stop string or a limit, given as each is finished.

On a CPU an answer's tokens depend on its prompt, its seed and the settings alone, not on what else is asked nor on the
size of the batch: to the last bit of its logits for recurrent models (Mamba with the `cpu` scan), and but for a few
last bits for others, which matters only where two tokens are as good as equally likely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reason_cli.engine.chat import token_ids
from reason_cli.engine.row import Endings, Hearer, Row

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from reason_cli.config import EvalOptions


@dataclass(frozen=True)
class Request:
    """A prompt, special tokens written out, and the seed of its answer's own random numbers."""

    prompt: str
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """What a model said: its text, its length in tokens, and whether it ended by itself."""

    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True)
class Decoding:
    """How to generate. At most `batch_size` answers are worked on at a time, fewer where memory is short.

    `temperature` 0 is greedy, else tokens are drawn from the nucleus of `top_p` (arXiv 1904.09751). `calculator` fills
    in the results of `<<48/2=` marks. An answer ends before the first of the strings in `stop`, which are no part of
    its text, while the tokens that spell them count.
    """

    batch_size: int = 64
    max_new_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    calculator: bool = False
    stop: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: EvalOptions) -> Decoding:
        """What `[eval]` says of it."""
        stop = tuple(text.replace("\\n", "\n") for text in options.stop)  # as typed on a command line
        return cls(
            options.batch_size, options.max_new_tokens, options.temperature, options.top_p, options.calculator, stop
        )


def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    decoding: Decoding,
    done: Callable[[int], None] = lambda count: None,
) -> list[Answer]:
    """One answer per prompt, in the prompts' order, each seeded by its place; `done` hears how many there are."""
    given: dict[int, Answer] = {}
    requests = [Request(prompt, seed) for seed, prompt in enumerate(prompts)]
    for index, one in answers(model, tokenizer, requests, decoding):
        given[index] = one
        done(len(given))
    return [given[index] for index in range(len(prompts))]


def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request],
    decoding: Decoding,
    heard: Hearer | None = None,
) -> Iterator[tuple[int, Answer]]:
    """The index of a request and its answer, as each is finished; the longest prompts are begun first.

    The model is in evaluation mode until the last answer is given, or the iterator closed, and then as before. Its
    weights must not change meanwhile.
    """
    rows = rows_of(model, tokenizer, requests, decoding, heard)
    training = model.training
    model.eval()
    try:
        for row in _worked(model, rows, decoding, padding_of(tokenizer)) if rows else ():
            yield row.index, Answer(row.text(), len(row.said), row.finished)
    finally:
        model.train(training)


def rows_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request],
    decoding: Decoding,
    heard: Hearer | None = None,
) -> list[Row]:
    """A row for each request; longest prompt first, so that what does not fit in memory shows at once, equal prompts
    together.
    """
    from reason_cli.engine.filling import Calculator

    calculator = Calculator(tokenizer) if decoding.calculator else None
    endings = Endings(tokenizer, _ends(model, tokenizer), decoding.stop, decoding.max_new_tokens)
    prompts = token_ids(tokenizer, [request.prompt for request in requests])
    order = sorted(range(len(prompts)), key=lambda n: (-len(prompts[n]), prompts[n], n))
    return [Row(n, prompts[n], requests[n].seed, endings, calculator, heard) for n in order]


def _ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokenizer's end token and those that the model's own generation settings name."""
    own = model.generation_config.eos_token_id  # type: ignore[union-attr]
    named = own if isinstance(own, list) else [own]
    return frozenset(token for token in (tokenizer.eos_token_id, *named) if isinstance(token, int))


def padding_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that stands where there is none."""
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(token, int):
            return token
    return 0


def _worked(model: PreTrainedModel, rows: Sequence[Row], decoding: Decoding, padding: int) -> Iterator[Row]:
    """The rows, each when it is done, in the way that suits the model and with as many at a time as fit."""
    from reason_cli.engine.batched import batched, memory_bytes
    from reason_cli.engine.continuous import continuous
    from reason_cli.engine.room import fitting, with_less_when_full
    from reason_cli.engine.sampling import Choice
    from reason_cli.engine.slots import read

    choose = Choice(decoding.temperature, decoding.top_p)

    def work(rows: Sequence[Row], size: int) -> Iterator[Row]:
        first = read(model, [rows[0].prompt], padding)
        if first is None:
            each = memory_bytes(model, len(rows[0].prompt) + decoding.max_new_tokens)
        else:
            each = first.cache.nbytes
        size = fitting(size, each, model.config.get_text_config().vocab_size, model.device)
        if first is None:
            return batched(model, rows, size, padding, choose)
        return continuous(model, first, rows, size, padding, choose)

    return with_less_when_full(work, rows, min(decoding.batch_size, len(rows)))
