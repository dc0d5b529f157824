"""A graph of tensors traced to TorchScript: one module, its methods on one set of weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reason_cli import Graph, ReasonError, quiet

MODEL = "model.pt"
READING = ("input_ids", "attention_mask", "logits_to_keep")
STEPPING = ("input_ids",)
DEBUG = ".debug_pkl"
OWN = ("version", "byteorder", ".data/serialization_id")  # records that the writer makes itself
ROWS, LENGTH = 2, 7  # of what is traced with; nothing in the file depends on it


class Module(nn.Module):
    """What the file holds: a graph's `forward` and `step`, with the names of their inputs, and `start`. `forward_only`
    are ids of tokens that `step` cannot read.
    """

    def __init__(self, graph: Any) -> None:
        super().__init__()
        self.graph, states = graph, [state.name for state in graph.states]
        self.register_buffer("forward_only", torch.tensor(list(graph.forward_only), dtype=torch.long))
        self.forward = named(graph.forward, [*READING, *states])
        self.step = named(graph.step, [*STEPPING, *states])

    def start(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        """The states of as many rows as input_ids (b, l) has, which have read nothing: zeros, of what grows none."""
        rows = input_ids.shape[0]
        return tuple(
            input_ids.new_zeros(state.sizes(rows), dtype=getattr(torch, state.dtype)) for state in self.graph.states
        )


def named(method: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """A method whose arguments have these names, as tracing asks for them."""

    def call(*given: Tensor) -> Any:
        return method(*given)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    call.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    return call


def save(graph: Graph, folder: Path) -> None:
    """Trace a graph and write it. Raises `ReasonError` for what cannot be traced."""
    ids = torch.arange(ROWS * LENGTH).view(ROWS, LENGTH)
    text = (ids, torch.ones_like(ids), torch.arange(LENGTH))
    module = Module(graph).eval()
    with quiet(), torch.no_grad():
        states = graph.forward(*text, *module.start(ids))[1:]  # in which what grows has columns
        inputs = {"forward": (*text, *states), "step": (ids[:, :1], *states), "start": (ids,)}
        try:
            traced = torch.jit.trace_module(module, inputs, check_trace=False)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ReasonError(
                f"torch cannot trace the model: {str(error).strip().splitlines()[0]}", "please report it"
            ) from error
        whole = folder / f"{MODEL}.traced"
        torch.jit.save(traced, str(whole))
    bare(whole, folder / MODEL)
    whole.unlink()


def bare(traced: Path, written: Path) -> None:
    """A file without where in whose folders each line of the code came from, which an error would print."""
    reader, writer = torch._C.PyTorchFileReader(str(traced)), torch._C.PyTorchFileWriter(str(written))
    writer.set_min_version(int(reader.get_record("version")))
    for name in reader.get_all_records():
        if not name.endswith(DEBUG) and name not in OWN:
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
