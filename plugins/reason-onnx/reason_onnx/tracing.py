"""A graph of tensors traced to ONNX: one graph for texts of any length, one for one token of every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from onnxscript import ir
from torch import Tensor, nn

from reason_cli import Graph, ReasonError, State, quiet
from reason_onnx.cutting import AFTER, LOGITS
from reason_onnx.tidying import softplus_by_rows, tidied

MODEL, STEP = "model.onnx", "step.onnx"
OPSET = 20
SIZES = {"batch": 2, "length": 7, "kept": 3}  # of what is traced with; every free size has another
OTHER = 5


class Reading(nn.Module):
    """`Graph.forward`, with its inputs' names."""

    def __init__(self, graph: Any) -> None:
        super().__init__()
        self.read = graph

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: Tensor, *states: Tensor
    ) -> tuple[Tensor, ...]:
        return as_given(self.read(input_ids, attention_mask, logits_to_keep, *states), states)


class Stepping(nn.Module):
    """`Graph.step`."""

    def __init__(self, graph: Any) -> None:
        super().__init__()
        self.read = graph

    def forward(self, input_ids: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        return as_given(self.read.step(input_ids, *states), states)


def as_given(outputs: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Logits, and the states after, in the numbers that they came in."""
    logits, *after = outputs
    return logits, *(new.to(old.dtype) for new, old in zip(after, states, strict=True))


def traced(graph: Graph, name: str) -> dict[str, ir.Model]:
    """Both graphs, by the name of their file. `name` is what a person calls the model.

    Raises `ReasonError` for what cannot be traced.
    """
    read = {"input_ids": ("batch", "length"), "attention_mask": ("batch", "length"), "logits_to_keep": ("kept",)}
    step: dict[str, tuple[int | str, ...]] = {"input_ids": ("batch", 1)}
    models = {
        MODEL: _traced(Reading(graph), read, graph.states, name),
        STEP: _traced(Stepping(graph), step, graph.states, name),
    }
    softplus_by_rows(models[MODEL])  # of one row there is little to gain, for eight more nodes
    return models


def _traced(
    module: nn.Module, inputs: Mapping[str, tuple[int | str, ...]], states: Sequence[State], name: str
) -> ir.Model:
    shapes = [*inputs.values(), *(state.shape for state in states)]
    dtypes = ["int64"] * len(inputs) + [state.dtype for state in states]
    free = [{axis: size for axis, size in enumerate(shape) if isinstance(size, str)} for shape in shapes]
    with quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                module.eval(),
                tuple(example(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[*inputs, *(state.name for state in states)],
                output_names=[LOGITS, *(f"{state.name}{AFTER}" for state in states)],
                dynamic_shapes=(*free[: len(inputs)], tuple(free[len(inputs) :])),
            )
        except Exception as error:  # whatever of torch gives up, a person gets one line
            cause = error.__cause__ or error
            reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            raise ReasonError(
                f"torch.onnx cannot trace {name}: {reason}", "please report it with `pip list`"
            ) from error
    assert program is not None
    return tidied(bare(program.model))


def bare(model: ir.Model) -> ir.Model:
    """Without where in whose files each node came from."""
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()
    return model


def example(shape: Sequence[int | str], dtype: str) -> Tensor:
    """What is traced with: zeros, which stand for token 0, for columns 0 and for an empty state."""
    sizes = [SIZES.get(size, OTHER) if isinstance(size, str) else size for size in shape]
    return torch.zeros(sizes, dtype=getattr(torch, dtype))
