"""Graphs whose matrices have 8 bits: onnxruntime's `MatMulNBits`, and embeddings that are the head's matrix.

A row that goes into a product is rounded in blocks as its matrix is, each by a scale of its own, so that one large
number spoils its block alone. (One scale for all of a batch took the small models that are trained here apart.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from onnxscript import ir

from reason_onnx.nodes import initial, replace

BLOCK = 32  # weights of a column that share a scale
# 7 of the 8 bits, from 1 to 127 about 64: processors without VNNI add two products in 16 bits, which 8 would overflow.
MIDDLE = 64
DOMAIN = "com.microsoft"
HOW = "in_8_bits"
IN_INT8 = 4  # `accuracy_level` of products in 8 bits


class Rounded(NamedTuple):
    """A matrix (k, n): columns (n, blocks, BLOCK) in uint8, and the scale and the zero of each block (n * blocks,)."""

    columns: ir.Value
    scales: ir.Value
    zeros: ir.Value


def quantize(models: Mapping[str, ir.Model]) -> None:
    """Change graphs so that products with a weight of `BLOCK` rows or more are taken in 8 bits."""
    for model in models.values():
        turned = fold_transposed(model)
        rounded: dict[str, Rounded] = {}
        for node in list(ir.traversal.RecursiveGraphIterator(model.graph)):
            weight = node.inputs[1] if node.op_type == "MatMul" else None
            if weight is not None and weight.const_value is not None and fits(weight.const_value):
                name = weight.name or ""
                if name not in rounded:
                    rounded[name] = round_matrix(model.graph, name, weight.const_value.numpy())
                round_product(node, rounded[name], weight.const_value.numpy().shape)
        for table, name in turned.items():
            if name in rounded:
                round_embeddings(model.graph, table, rounded[name])
        for name in {*rounded, *turned}:
            if name in model.graph.initializers and not model.graph.initializers[name].uses():
                del model.graph.initializers[name]
        model.graph.opset_imports[DOMAIN] = 1


def fits(tensor: ir.TensorProtocol) -> bool:
    """Whether it is a matrix in float32 that is worth it: what is shorter than a block would be filled up to one."""
    shape = tensor.shape.numpy()
    return len(shape) == 2 and shape[0] >= BLOCK and tensor.dtype == ir.DataType.FLOAT


def fold_transposed(model: ir.Model) -> dict[str, str]:
    """Weights that are transposed in the graph, because they are tied, as initializers of their own: name by name."""
    graph, found = model.graph, {}
    for node in list(graph):
        weight = node.inputs[0] if node.op_type == "Transpose" else None
        if weight is None or weight.const_value is None or len(weight.const_value.shape) != 2:
            continue
        name = f"{weight.name}_turned"
        tensor = ir.tensor(weight.const_value.numpy().T.copy(), name=name)
        graph.register_initializer(value := initial(tensor))
        ir.convenience.replace_all_uses_with(node.outputs[0], value)
        graph.remove(node, safe=True)
        found[weight.name or ""] = name
    return found


def round_matrix(graph: ir.Graph, name: str, weight: np.ndarray) -> Rounded:
    """A weight (k, n) in 8 bits, as initializers of a graph."""
    k, n = weight.shape
    blocks = -(-k // BLOCK)
    filled = np.zeros((blocks * BLOCK, n), np.float32)
    filled[:k] = weight
    columns = filled.T.reshape(n, blocks, BLOCK)
    scales = np.abs(columns).max(-1) / (MIDDLE - 1)
    steps = np.divide(columns, scales[..., None], out=np.zeros_like(columns), where=scales[..., None] > 0)
    whole = (np.rint(steps) + MIDDLE).astype(np.uint8)
    made = {
        "columns": whole,
        "scales": scales.astype(np.float32).ravel(),
        "zeros": np.full(n * blocks, MIDDLE, np.uint8),
    }
    values = {part: initial(ir.tensor(array, name=f"{name}_{part}")) for part, array in made.items()}
    for value in values.values():
        graph.register_initializer(value)
    return Rounded(**values)


def round_product(node: ir.Node, rounded: Rounded, shape: tuple[int, ...]) -> None:
    """A product with a weight (k, n), with what that was rounded to."""
    k, n = shape
    how = {"K": k, "N": n, "bits": 8, "block_size": BLOCK, "accuracy_level": IN_INT8}
    product = ir.node("MatMulNBits", [node.inputs[0], *rounded], how, domain=DOMAIN)
    replace(node, [product], HOW)


def round_embeddings(graph: ir.Graph, table: str, rounded: Rounded) -> None:
    """Embeddings that are tied to the head: columns of the matrix that was rounded for it, times their scales.

    A matrix of 50,000 tokens in float32 would otherwise be most of the file.
    """
    value = graph.initializers[table]
    looked_up = [
        n for n in ir.traversal.RecursiveGraphIterator(graph) if n.op_type == "Gather" and n.inputs[0] is value
    ]
    if not looked_up:
        return
    assert value.const_value is not None and rounded.columns.shape is not None
    n, blocks, _ = rounded.columns.shape.numpy()
    width = value.const_value.shape.numpy()[1]
    numbers = {"by_token": [n, blocks], "last": [-1], "joined": [0, 0, blocks * BLOCK], "begin": [0], "end": [width]}
    sizes = {name: initial(ir.tensor(np.array(x, np.int64), name=f"{table}_{name}")) for name, x in numbers.items()}
    sizes["middle"] = initial(ir.tensor(np.array(MIDDLE, np.float32), name=f"{table}_middle"))
    for size in sizes.values():
        graph.register_initializer(size)
    for node in looked_up:
        ids = node.inputs[1]
        scale = [ir.node("Reshape", [rounded.scales, sizes["by_token"]])]
        scale.append(ir.node("Gather", [scale[-1].outputs[0], ids]))
        scale.append(ir.node("Unsqueeze", [scale[-1].outputs[0], sizes["last"]]))
        steps = [ir.node("Gather", [rounded.columns, ids])]  # (b, l, blocks, BLOCK)
        steps.append(ir.node("Cast", [steps[-1].outputs[0]], {"to": int(ir.DataType.FLOAT)}))
        steps.append(ir.node("Sub", [steps[-1].outputs[0], sizes["middle"]]))
        steps.append(ir.node("Mul", [steps[-1].outputs[0], scale[-1].outputs[0]]))
        steps.append(ir.node("Reshape", [steps[-1].outputs[0], sizes["joined"]]))
        steps.append(ir.node("Slice", [steps[-1].outputs[0], sizes["begin"], sizes["end"], sizes["last"]]))
        replace(node, [*scale, *steps], HOW)
