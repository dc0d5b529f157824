"""Graphs whose matrices have 8 bits: onnxruntime's dynamic quantisation, and embeddings that are the head's matrix."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxscript import ir

from reason_cli import quiet

TURNED = "_turned"


def quantized(models: Mapping[str, ir.Model], folder: Path) -> dict[str, ir.Model]:
    """The same graphs, each column of a weight in int8 with a scale of its own. `folder` has room for what comes by.

    Weights have 7 of the 8 bits: processors without VNNI add two products in 16 bits, which 8 would overflow.
    """
    found = {}
    for name, model in models.items():
        with tempfile.TemporaryDirectory(dir=folder) as place, quiet():
            exact, rounded = Path(place) / "exact.onnx", Path(place) / "rounded.onnx"
            fold_transposed(model)
            ir.save(model, exact, external_data="exact.onnx.data")
            quantize_dynamic(
                exact,
                rounded,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                reduce_range=True,
                weight_type=QuantType.QInt8,
                use_external_data_format=True,
            )
            found[name] = ir.from_proto(onnx.load(rounded))  # with its weights: the files go
        round_embeddings(found[name])
    return found


def fold_transposed(model: ir.Model) -> None:
    """Weights that are transposed in the graph, because they are tied, as initializers of their own."""
    graph = model.graph
    for node in list(graph):
        weight = node.inputs[0] if node.op_type == "Transpose" else None
        if weight is None or weight.const_value is None or len(weight.const_value.shape) != 2:
            continue
        turned = node.outputs[0]
        tensor = ir.tensor(weight.const_value.numpy().T.copy(), name=f"{weight.name}{TURNED}")
        graph.register_initializer(value := initial(tensor))
        ir.convenience.replace_all_uses_with(turned, value)
        graph.remove(node, safe=True)


def round_embeddings(model: ir.Model) -> None:
    """Embeddings that are tied to the head: columns of the matrix that was rounded for it, times their scales.

    A matrix of 50,000 tokens in float32 would otherwise be most of the file.
    """
    graph = model.graph
    for node in list(graph):
        table = node.inputs[0] if node.op_type == "Gather" else None
        if table is None:
            continue
        rounded, scales = (graph.initializers.get(f"{table.name}{TURNED}_{word}") for word in ("quantized", "scale"))
        if rounded is None or scales is None:
            continue
        ids, embedded = node.inputs[1], node.outputs[0]
        graph.register_initializer(last := initial(ir.tensor(np.array([-1]), name=f"{table.name}_last_axis")))
        columns = ir.node("Gather", [rounded, ids], {"axis": 1})  # (d, b, l)
        rows = ir.node("Transpose", [columns.outputs[0]], {"perm": [1, 2, 0]})
        exact = ir.node("Cast", [rows.outputs[0]], {"to": int(ir.DataType.FLOAT)})
        scale = ir.node("Gather", [scales, ids])
        wide = ir.node("Unsqueeze", [scale.outputs[0], last])
        product = ir.node("Mul", [exact.outputs[0], wide.outputs[0]])
        graph.insert_before(node, [columns, rows, exact, scale, wide, product])
        ir.convenience.replace_all_uses_with(embedded, product.outputs[0])
        graph.remove(node, safe=True)
        if not table.uses():
            del graph.initializers[table.name or ""]


def initial(tensor: ir.TensorProtocol) -> ir.Value:
    """An initializer of a graph."""
    shape, kind = ir.Shape(tensor.shape.numpy()), ir.TensorType(tensor.dtype)
    return ir.Value(name=tensor.name, shape=shape, type=kind, const_value=tensor)
