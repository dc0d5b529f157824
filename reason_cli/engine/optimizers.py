"""The optimizers by the names that settings give them, and what each needs to be there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from reason_cli.errors import ReasonError, first_line

if TYPE_CHECKING:
    import torch

# transformers' names of them. Those in 8 bit keep float32 states of embeddings and of tensors of a few thousand.
LIBRARY_NAMES = {
    "adamw": "adamw_torch_fused",
    "adamw_8bit": "adamw_8bit",
    "paged_adamw": "paged_adamw_32bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
    "adafactor": "adafactor",
}
OF_BITSANDBYTES = ("adamw_8bit", "paged_adamw", "paged_adamw_8bit")


def check_optimizer(name: str, device: torch.device) -> None:
    """Refuse an optimizer that cannot run here, with what would help."""
    if name.startswith("paged_") and device.type != "cuda":
        raise ReasonError(
            f"train.optimizer {name} moves its states between a CUDA device and the host, and this runs on "
            f"{device.type}",
            "use adamw_8bit or adamw",
        )
    if name in OF_BITSANDBYTES:
        try:
            logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of kernels that it does not need
            import bitsandbytes  # noqa: F401
        except (ImportError, OSError, RuntimeError) as error:
            hint = 'pip install "reason-cli[8bit]", or use adafactor, which needs nothing'
            raise ReasonError(f"train.optimizer {name} needs bitsandbytes: {first_line(error)}", hint) from None


def check_compiler(device: torch.device) -> None:
    """Compile something tiny: what is missing for it shows now, and in one line."""
    import torch

    try:
        torch.compile(lambda x: x * 2 + 1)(torch.ones(8, device=device))
    except Exception as error:  # torch wraps every compiler's in its own
        raise ReasonError(
            f"train.compile: nothing can be compiled for {device.type} here: {first_line(error)}",
            "install a C++ compiler (g++) and Python's headers, or leave --compile out",
        ) from None
