"""What torch.onnx spells out and onnxruntime would rather have short: the same values in fewer passes over memory."""

from __future__ import annotations

import numpy as np
from onnxscript import ir
from onnxscript.ir.passes.common import RemoveUnusedNodesPass

from reason_onnx.nodes import initial, replace

STRAIGHT = 20.0  # from here on softplus(x) is x, in float32


def tidied(model: ir.Model) -> ir.Model:
    """A graph without the choice between x and softplus(x), and with norms that onnxruntime knows as such."""
    for node in list(ir.traversal.RecursiveGraphIterator(model.graph)):
        if node.op_type == "Where":
            _softplus(node)
        elif node.op_type == "Mul":
            _norm(node)
    RemoveUnusedNodesPass()(model)
    return model


def _softplus(node: ir.Node) -> None:
    """where(x > 20, x, softplus(x)): onnxruntime's softplus(x) is x there by itself."""
    chosen, x, soft = node.inputs
    if made_by(chosen, "Greater") and made_by(soft, "Softplus"):
        assert chosen is not None and soft is not None
        both = [value.producer() for value in (chosen, soft)]
        if all(one is not None and one.inputs[0] is x for one in both):
            ir.convenience.replace_all_uses_with(node.outputs[0], soft)


def softplus_by_rows(model: ir.Model) -> None:
    """softplus(x) as log(1 + exp(x)), for whole rows: onnxruntime's own takes number by number, three times as long."""
    graph = model.graph
    softplus = [(node, node.inputs[0]) for node in graph if node.op_type == "Softplus"]
    found = [(node, x) for node, x in softplus if x is not None and x.dtype == ir.DataType.FLOAT]
    if not found:
        return
    numbers = {"straight": STRAIGHT, "one": 1, "next": np.nextafter(np.float32(1), np.float32(2))}
    values = [initial(ir.tensor(np.float32(value), name=f"softplus_{name}")) for name, value in numbers.items()]
    for value in values:
        graph.register_initializer(value)
    for node, x in found:
        replace(node, _by_rows(x, *values), "by_rows")


def _by_rows(x: ir.Value, straight: ir.Value, one: ir.Value, after: ir.Value) -> list[ir.Node]:
    """What 1 + u loses of a small u, u / ((1 + u) - 1) makes good: Goldberg 1991, theorem 4. `after` is next to 1."""
    bounded = ir.node("Min", [x, straight])
    u = ir.node("Exp", bounded.outputs)
    rounded = ir.node("Add", [*u.outputs, one])
    w = ir.node("Max", [*rounded.outputs, after])  # where it were 1, log(w) / (w - 1) would be 0 / 0
    log = ir.node("Log", w.outputs)
    kept = ir.node("Sub", [*w.outputs, one])
    lost = ir.node("Div", [*u.outputs, *kept.outputs])
    exact = ir.node("Mul", [*log.outputs, *lost.outputs])
    return [bounded, u, rounded, w, log, kept, lost, exact, ir.node("Max", [*exact.outputs, x])]


def _norm(node: ir.Node) -> None:
    """x * (1 / root): x / root is what onnxruntime looks for to find a root mean square norm."""
    for x, other in (node.inputs, node.inputs[::-1]):
        if made_by(other, "Reciprocal"):
            assert other is not None and node.graph is not None
            reciprocal = other.producer()
            assert reciprocal is not None
            if made_by(reciprocal.inputs[0], "Sqrt"):
                replace(node, [ir.node("Div", [x, reciprocal.inputs[0]])], "quotient")
                return


def made_by(value: ir.Value | None, operator: str) -> bool:
    """Whether a value comes from a node of this operator."""
    node = None if value is None else value.producer()
    return node is not None and node.op_type == operator
