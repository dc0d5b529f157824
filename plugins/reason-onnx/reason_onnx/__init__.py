"""ONNX for reason: stateful graphs for onnxruntime, in float32, float16 and int8."""

from reason_cli import Exporter, hookimpl


@hookimpl
def register_exporters() -> list[Exporter]:
    """`onnx`."""
    from reason_onnx.exporter import Onnx

    return [Onnx()]
