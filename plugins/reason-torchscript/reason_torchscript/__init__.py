"""TorchScript for reason: one file that plain torch.jit.load runs, any batch and any length."""

from reason_cli import Exporter, hookimpl


@hookimpl
def register_exporters() -> list[Exporter]:
    """What it writes."""
    return []
