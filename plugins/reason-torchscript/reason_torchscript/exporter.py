"""The exporter `torchscript`: what it takes, and the order of the work. Torch comes in only for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reason_cli import Exportable, Exported, Exporter, ReasonError

LOOP = "script"  # a loop that TorchScript compiles


class TorchScript(Exporter):
    """One file with three methods: `forward` reads texts, `step` one token of every row, `start` makes first states."""

    name = "torchscript"
    help = "one TorchScript file of any batch and length, for torch.jit.load in Python and C++"
    takes = "mamba, hybrid, trm and plain transformers (Llama, Qwen, Mistral and their like)"
    backend = "torchscript"

    def refuses(self, source: Exportable, options: Any) -> str:
        """What has no graph."""
        if source.graph(LOOP) is None:
            kind = source.architecture.name if source.architecture else source.model.config.model_type
            return f"the architecture '{kind}' has no graph of tensors"
        return ""

    def export(self, source: Exportable, folder: Path, options: Any) -> None:
        """Trace the graph and write it, and beside it how to use it."""
        from reason_torchscript.beside import write_beside
        from reason_torchscript.tracing import save

        graph = source.graph(LOOP)
        if graph is None:
            raise ReasonError(f"{self.name} cannot take {source.name}", f"{self.name} takes {self.takes}")
        save(graph, folder)
        write_beside(folder, source.name, graph.states)

    def load(self, folder: Path, threads: int) -> Exported:
        """The file, as `torch.jit.load` gives it. Raises `ReasonError` when it cannot be read."""
        from reason_torchscript.running import Running

        return Running(folder, threads)
