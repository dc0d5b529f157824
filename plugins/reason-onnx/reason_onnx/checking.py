"""What is wrong with graphs that were written: a size that is fixed where it should be free, an invalid graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from onnxscript import ir

from reason_cli import ReasonError, State
from reason_onnx.cutting import stages
from reason_onnx.pipeline import SHORTEST
from reason_onnx.running import Running
from reason_onnx.tracing import MODEL, STEP

READ = ((1, 1), (2, 3), (3, 11))  # rows and tokens of each that are read
TOGETHER = (2, 2 * SHORTEST + 1)  # and by two threads
# How far two threads may be off from one, as a share of the largest logit, or of 1: a last bit decides what rounds up.
CLOSE = {"fp32": 1e-4, "fp16": 1e-2, "int8": 0.1}


def check(folder: Path, states: Sequence[State], precision: str) -> None:
    """Raises `ReasonError` unless both graphs are valid and take any batch and length, with any number of threads.

    A graph that was fixed to the sizes it was traced with looks like any other until it is asked for others.
    """
    for name in (MODEL, STEP):
        try:
            onnx.checker.check_model(str(folder / name))
        except onnx.checker.ValidationError as error:
            raise _wrong(name, f"onnx finds it invalid: {str(error).splitlines()[0]}") from None
    running = Running(folder, 1)
    text: tuple[int | str, ...] = ("batch", "length")
    expected = {"input_ids": text, "attention_mask": text, "logits_to_keep": ("kept",)}
    expected |= {state.name: state.shape for state in states}
    for name, session in ((MODEL, running.reading), (STEP, running.stepping)):
        for given in session.get_inputs():
            wanted = ("batch", 1) if (name, given.name) == (STEP, "input_ids") else expected[given.name]
            fixed = [isinstance(size, int) for size in given.shape]
            if fixed != [isinstance(size, int) for size in wanted]:
                raise _wrong(name, f"{given.name} is fixed to {given.shape}, not free as {list(wanted)}")
    for rows, length in READ:
        _read(running, rows, length)
    if stages(ir.load(folder / MODEL)):  # any other is one session with two threads too: no need to hold it twice
        _read_together(running, Running(folder, 2), CLOSE[precision])


def _read(running: Running, rows: int, length: int) -> None:
    """Read texts of so many tokens, one more of each, and so many again."""
    ids, state = torch.ones(rows, length, dtype=torch.long), None
    for tokens in (ids, ids[:, :1], ids):
        try:
            logits, state = running.read(tokens, None, state, False)
        except Exception as error:  # onnxruntime raises its own kinds
            raise _wrong(MODEL, f"it cannot read {tuple(tokens.shape)}: {str(error).splitlines()[0]}") from None
        if logits.shape[:2] != tokens.shape:
            raise _wrong(MODEL, f"it gives logits of {tuple(logits.shape)} for tokens of {tuple(tokens.shape)}")


def _read_together(one: Running, two: Running, close: float) -> None:
    """Read a text, and it again after it, with one thread and with two."""
    rows, length = TOGETHER
    ids, states = (torch.arange(length) % 2).expand(rows, -1), [None, None]
    for _ in range(2):
        (ours, states[0]), (theirs, states[1]) = (
            running.read(ids, None, state, False) for running, state in zip((one, two), states, strict=True)
        )
        difference = float((ours - theirs).abs().max())
        if not difference <= close * max(1.0, float(ours.abs().max())):
            raise _wrong(MODEL, f"what two threads read of it differs by {difference:.3g} from what one reads")


def _wrong(name: str, why: str) -> ReasonError:
    return ReasonError(f"{name} was written wrong: {why}", "please report it with the versions of `pip list`")
