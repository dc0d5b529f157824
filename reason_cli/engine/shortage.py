"""How running out of memory shows: every library has its own error for it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from reason_cli.engine.free import trim_heap

if TYPE_CHECKING:
    import torch

# Errors that are known by their words alone: torch's CPU allocator's, cuBLAS's and MPS's.
WORDS = ("can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, says that memory ran out: of torch, NumPy or Python itself."""
    import torch

    while error is not None:
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            return True
        if isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS):
            return True
        error = error.__cause__
    return False


def give_back(device: torch.device) -> None:
    """Free what nothing refers to any more, so that it can be had for something of another size."""
    gc.collect()
    if device.type == "cpu":
        trim_heap()
    if device.type in ("cuda", "mps"):
        import torch

        getattr(torch, device.type).empty_cache()
