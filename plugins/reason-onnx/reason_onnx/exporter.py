"""The exporter `onnx`: what it takes, its options, and the order of the work. Torch and onnx come in only for that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from reason_cli import Exportable, Exported, Exporter, ReasonError, option

if TYPE_CHECKING:
    from reason_cli import Graph

NEEDED = ("onnx", "onnxruntime", "onnxscript")
LOOP = "scan"  # torch's higher-order scan, which becomes ONNX's `Scan`


@dataclass(frozen=True)
class OnnxOptions:
    """What numbers the graphs hold and count in."""

    precision: str = option("fp32", "of weights and activations; states stay in float32", choices=("fp32", "fp16"))
    quantize: str = option("none", "round the weights of matrix products to 8 bits", choices=("none", "int8"))


class Onnx(Exporter):
    """Two graphs on one file of weights: one reads texts of any length, the other one token per row."""

    name = "onnx"
    help = "stateful ONNX graphs of any batch and length, for onnxruntime"
    takes = "mamba, hybrid, trm and plain transformers (Llama, Qwen, Mistral and their like)"
    backend = "onnxruntime"
    Options = OnnxOptions

    def missing(self) -> str:
        """What installs onnx, onnxruntime and onnxscript."""
        return "" if all(map(find_spec, NEEDED)) else 'pip install "reason-cli[onnx]"'

    def refuses(self, source: Exportable, options: OnnxOptions) -> str:
        """What has no graph. Raises `ReasonError` for two precisions at once."""
        if options.quantize != "none" and options.precision != "fp32":
            raise ReasonError(
                f"--quantize {options.quantize} rounds float32, not {options.precision}",
                "leave one of them out",
                usage=True,
            )
        if source.graph(LOOP) is None:
            kind = source.architecture.name if source.architecture else source.model.config.model_type
            return f"the architecture '{kind}' has no graph of tensors"
        return ""

    def precision(self, options: OnnxOptions) -> str:
        """fp32, fp16 or int8."""
        return options.precision if options.quantize == "none" else options.quantize

    def export(self, source: Exportable, folder: Path, options: OnnxOptions) -> None:
        """Trace both graphs, write them, and see that they are free in batch and length."""
        from reason_onnx.beside import write_beside
        from reason_onnx.checking import check
        from reason_onnx.halves import in_halves
        from reason_onnx.quantizing import quantize
        from reason_onnx.tracing import traced
        from reason_onnx.writing import write

        graph = self.graph(source)
        if options.precision == "fp16":
            graph = in_halves(graph)
        models = traced(graph, source.name)
        if options.quantize == "int8":
            quantize(models)
        kind = source.architecture.name if source.architecture else source.model.config.model_type
        facts = {"architecture": kind, "precision": self.precision(options)}
        facts["forward_only"] = json.dumps(list(graph.forward_only))
        write(models, folder, facts, graph.states)
        write_beside(folder, source.name)
        check(folder, graph.states, self.precision(options))

    def graph(self, source: Exportable) -> Graph:
        """The model's graph. Raises `ReasonError` where there is none."""
        graph = source.graph(LOOP)
        if graph is None:
            raise ReasonError(f"{self.name} cannot take {source.name}", f"{self.name} takes {self.takes}")
        return graph

    def load(self, folder: Path, threads: int) -> Exported:
        """Both graphs in onnxruntime. Raises `ReasonError` when they cannot be read."""
        from reason_onnx.running import Running

        return Running(folder, threads)
