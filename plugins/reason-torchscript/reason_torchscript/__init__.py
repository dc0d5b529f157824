"""TorchScript for reason: one file that plain torch.jit.load runs, any batch and any length."""

from reason_cli import Exporter, hookimpl
from reason_torchscript.exporter import TorchScript


@hookimpl
def register_exporters() -> list[Exporter]:
    """`reason export torchscript`."""
    return [TorchScript()]
