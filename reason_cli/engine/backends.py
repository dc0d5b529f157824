"""Answers by whatever a subject runs in: torch, vLLM, or what a model was exported for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from reason_cli.engine.generate import Answer, Decoding, Request, answers
from reason_cli.engine.hardware import autocast
from reason_cli.engine.row import Hearer

if TYPE_CHECKING:
    from reason_cli.engine.subject import Subject


def answers_of(
    subject: Subject, requests: Sequence[Request], decoding: Decoding, heard: Hearer | None = None
) -> Iterator[tuple[int, Answer]]:
    """(index, answer) as each is finished. `heard` hears of every token, but for vLLM, which gives whole answers."""
    if subject.backend == "vllm":
        from reason_cli.engine import vllm_backend

        served: Any = subject.model  # as `vllm_backend.load` gives it
        yield from vllm_backend.answers(served, subject.tokenizer, requests, decoding)
    elif subject.backend != "torch":
        from reason_cli.engine import exported_backend

        held: Any = subject.model  # as `exported_backend.load` gives it
        yield from exported_backend.answers(held, subject.tokenizer, requests, decoding, heard)
    else:
        with autocast(subject.precision, subject.model.device):
            yield from answers(subject.model, subject.tokenizer, requests, decoding, heard)
