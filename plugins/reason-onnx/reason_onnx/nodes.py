"""Nodes and weights of a graph, put in place of others."""

from __future__ import annotations

from onnxscript import ir


def replace(node: ir.Node, by: list[ir.Node], how: str) -> None:
    """A node by others, the last of which gives what it gave. `how` is what their names say of them."""
    old, new, name = node.outputs[0], by[-1].outputs[0], node.outputs[0].name
    assert node.graph is not None
    new.type, new.shape = old.type, old.shape
    for number, one in enumerate(by):
        one.outputs[0].name = f"{name}_{how}_{number}"  # unlike any, in branches too
    node.graph.insert_before(node, by)
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    node.graph.remove(node, safe=True)
    new.name = name  # which for an output of the graph is what it is asked for by


def initial(tensor: ir.TensorProtocol) -> ir.Value:
    """An initializer of a graph."""
    shape, kind = ir.Shape(tensor.shape.numpy()), ir.TensorType(tensor.dtype)
    return ir.Value(name=tensor.name, shape=shape, type=kind, const_value=tensor)
