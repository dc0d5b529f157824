"""What fits: how many rows go through a model at a time, so that a step holds no more memory than there is.

The rows of one optimizer step are what the settings say, whatever fits: less memory means more parts of the same step.
Nothing here builds a model or asks for memory; `budget` alone looks at the machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reason_cli.api import Architecture, ArchitectureOptions, Load
from reason_cli.config import HardwareOptions, TrainOptions
from reason_cli.engine.free import free_bytes
from reason_cli.engine.memory import TrainingMemory, training_memory
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    import torch

MEBIBYTE, GIBIBYTE = 2**20, 2**30
MOST_MARGIN_CPU = 0.25  # of what is free: other programs take memory too, but a small machine has little to give away
# Recomputing activations costs a third more work. Parts of so many tokens keep a device nearly as busy as larger ones,
# so they are preferred to it; below, a part is too small to be worth what it saves.
FEWEST_TOKENS = 1024


def card_bytes(text: str) -> int:
    """The memory of a card by its size: `16`, `15.5`, `16gb`, all GiB. Raises `ReasonError` for anything else."""
    size = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:g|gb|gib)?\s*", text, re.IGNORECASE)
    if not size or not float(size[1]):
        raise ReasonError(
            f"hardware.vram cannot be '{text}'", "write the card's GiB, such as 16, 15.5 or 16gb", usage=True
        )
    return int(float(size[1]) * GIBIBYTE)


def budget(hardware: HardwareOptions, device: torch.device | None) -> int:
    """Bytes that training may take on a device, the safety margin left out.

    Of what is free there and the card that `hardware.vram` names, the lower; without a device the named card alone.
    Raises `ReasonError` when there is neither.
    """
    kind = device.type if device is not None else hardware.device
    amounts = [card_bytes(hardware.vram)] if hardware.vram else []
    amounts += [free_bytes(device)] if device is not None else []
    if not amounts:
        raise ReasonError("there is no device to plan for", "name its memory with --vram 16gb", usage=True)
    return max(0, min(amounts) - margin(hardware, kind, min(amounts)))


def margin(hardware: HardwareOptions, kind: str, amount: int) -> int:
    """Bytes of an amount that are left free: at most a quarter where memory is the machine's own."""
    asked = hardware.vram_safety_margin * MEBIBYTE
    return min(asked, int(MOST_MARGIN_CPU * amount)) if kind in ("cpu", "mps") else asked


@dataclass(frozen=True)
class Fit:
    """How a step goes through a model, what it holds, and whether that is within the budget it was made for.

    `micro_batch_size` rows go through at a time, `gradient_accumulation_steps` times per optimizer step.
    """

    micro_batch_size: int
    gradient_accumulation_steps: int
    gradient_checkpointing: bool
    memory: TrainingMemory
    fits: bool


def fit(
    architecture: Architecture,
    options: ArchitectureOptions,
    train: TrainOptions,
    *,
    vocab_size: int,
    length: int,
    precision: str,
    device_type: str,
    budget: int,
    grow: bool,
    may_checkpoint: bool = True,
    shares: int = 1,
) -> Fit:
    """The most rows at a time that fit into `budget` bytes, of those that divide the rows of a step evenly.

    `length` is that of the longest row in tokens. With `grow`, for accelerators, all rows of a step may go at once,
    else never more than `train.micro_batch_size`. With `may_checkpoint` activations are recomputed where they would
    not fit otherwise, or only in parts of fewer than `FEWEST_TOKENS` tokens; where `train` has it on they always are.
    With `shares` the parameters, their gradients and the optimizer's state are divided among so many processes. Where
    nothing fits it is what needs least, and says so.
    """
    rows = train.micro_batch_size * train.gradient_accumulation_steps
    most = rows if grow else train.micro_batch_size
    sizes = [size for size in range(most, 0, -1) if rows % size == 0]

    def tried(size: int, checkpointing: bool) -> Fit:
        load = Load(vocab_size, size, length, precision, checkpointing)
        estimate = architecture.estimate(options, load)
        averaged = train.ema_decay > 0
        memory = training_memory(estimate, train.optimizer, rows // size, device_type, averaged=averaged).shared(shares)
        return Fit(size, rows // size, checkpointing, memory, memory.total <= budget)

    def largest(checkpointing: bool) -> Fit:
        each = (tried(size, checkpointing) for size in sizes)
        return next((one for one in each if one.fits), tried(1, checkpointing))

    found = largest(train.gradient_checkpointing)
    enough = found.fits and (found.micro_batch_size == sizes[0] or found.micro_batch_size * length >= FEWEST_TOKENS)
    if enough or train.gradient_checkpointing or not may_checkpoint:
        return found
    recomputed = largest(True)
    better = recomputed.fits and recomputed.micro_batch_size > found.micro_batch_size
    return recomputed if better or not found.fits else found
