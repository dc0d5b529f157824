"""Answers to prompts: batched by length, stopped at the end token, greedy or sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reason_cli.engine.chat import token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from reason_cli.engine.filling import Calculator


@dataclass(frozen=True)
class Answer:
    """What a model said: its text, its length in tokens, and whether it ended by itself."""

    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True)
class Decoding:
    """How to generate. `temperature` 0 is greedy; `calculator` fills in the results of `<<48/2=` marks."""

    batch_size: int = 64
    max_new_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    calculator: bool = False


def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    decoding: Decoding,
    done: Callable[[int], None] = lambda count: None,
) -> list[Answer]:
    """One answer per prompt, in the prompts' order; `done` hears after each batch how many there are."""
    ids = token_ids(tokenizer, list(prompts))
    # The longest first: batches hold little padding, and what does not fit in memory shows at once.
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]), reverse=True)
    calculator = _calculator(tokenizer) if decoding.calculator else None
    answers: list[Answer | None] = [None] * len(ids)
    for start in range(0, len(order), decoding.batch_size):
        batch = order[start : start + decoding.batch_size]
        given = _batch(model, tokenizer, [ids[i] for i in batch], decoding, calculator)
        for index, one in zip(batch, given, strict=True):
            answers[index] = one
        done(start + len(batch))
    return [a for a in answers if a is not None]


def _calculator(tokenizer: PreTrainedTokenizerBase) -> Calculator:
    from reason_cli.engine.filling import Calculator

    return Calculator(tokenizer)


def _batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: list[list[int]],
    decoding: Decoding,
    calculator: Calculator | None,
) -> list[Answer]:
    import torch

    inputs = tokenizer.pad({"input_ids": ids}, padding_side="left", return_tensors="pt").to(model.device)
    sampling = {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p}
    training = model.training
    model.eval()
    with torch.inference_mode():
        output = model.generate(  # type: ignore[operator]
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=decoding.max_new_tokens,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            logits_processor=[calculator.begin(*inputs["input_ids"].shape)] if calculator else [],
            **(sampling if decoding.temperature > 0 else {"do_sample": False}),
        )
    model.train(training)
    return [_read(tokenizer, row) for row in output[:, inputs["input_ids"].shape[1] :].tolist()]


def _read(tokenizer: PreTrainedTokenizerBase, row: list[int]) -> Answer:
    """A generated row up to its end token, which counts as a token and is no part of the text."""
    finished = tokenizer.eos_token_id in row
    said = row[: row.index(tokenizer.eos_token_id)] if finished else row
    return Answer(str(tokenizer.decode(said, skip_special_tokens=True)), len(said) + finished, finished)
