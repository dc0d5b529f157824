"""Graphs whose matrix products have weights of 8 bits: onnxruntime's dynamic quantisation."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxscript import ir

from reason_onnx.tracing import quietly


def quantized(models: Mapping[str, ir.Model], folder: Path) -> dict[str, ir.Model]:
    """The same graphs, each column of a weight in int8 with a scale of its own. `folder` has room for what comes by.

    Weights have 7 of the 8 bits: processors without VNNI add two products in 16 bits, which 8 would overflow.
    """
    found = {}
    for name, model in models.items():
        with tempfile.TemporaryDirectory(dir=folder) as place, quietly():
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
    return found


def fold_transposed(model: ir.Model) -> None:
    """Weights that are transposed in the graph, because they are tied, as initializers of their own."""
    graph = model.graph
    for node in list(graph):
        weight = node.inputs[0] if node.op_type == "Transpose" else None
        if weight is None or weight.const_value is None or len(weight.const_value.shape) != 2:
            continue
        turned = node.outputs[0]
        tensor = ir.tensor(weight.const_value.numpy().T.copy(), name=f"{weight.name}_turned")
        value = ir.Value(name=tensor.name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor)
        graph.register_initializer(value)
        ir.convenience.replace_all_uses_with(turned, value)
        graph.remove(node, safe=True)
