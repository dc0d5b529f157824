"""The machine that is planned for: this one, or a card that is not there and whose memory is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reason_cli.config import HardwareOptions
from reason_cli.engine.free import free_bytes
from reason_cli.engine.hardware import pick_device, pick_precision
from reason_cli.engine.planning import GIBIBYTE, budget, card_bytes
from reason_cli.engine.probe import machine_name
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    import torch

LIKE = 0.1  # a card of so nearly the memory that is planned for may be the one meant
UNMEASURED = {"cuda": "bf16", "mps": "fp32", "cpu": "fp32"}  # what `auto` comes to where there is nothing to ask


@dataclass(frozen=True)
class Target:
    """The machine that is planned for.

    `device` is its kind, `source` what named its memory, empty where that is what is free here. `here` is this
    machine's device where it may be that one, with its `name`. `memory` and `budget` are bytes: what is named or free,
    and what training may take of it.
    """

    device: str
    source: str
    here: torch.device | None
    name: str
    memory: int
    budget: int
    precision: str

    def as_json(self) -> dict[str, Any]:
        """What is planned for, memory in bytes."""
        return {
            "device": self.device,
            "named_by": self.source or None,
            "here": self.here is not None,
            "name": self.name,
            "memory": self.memory,
            "budget": self.budget,
            "precision": self.precision,
        }


def target(hardware: HardwareOptions, source: str) -> Target:
    """The machine that the settings speak of: this one, or one of the memory that they name. `source` named it.

    Raises `ReasonError` for a device that is not there and whose memory nothing names.
    """
    device = _present(hardware)
    kind = device.type if device else hardware.device
    if hardware.vram:
        memory, allowed = card_bytes(hardware.vram), budget(hardware, None)
        here = device if device and _may_be_meant(device, memory, hardware.precision) else None
    elif device is None:
        raise ReasonError(f"there is no device '{kind}' here", "name the card's memory with --vram 16gb", usage=True)
    else:
        memory, allowed, here = free_bytes(device), budget(hardware, device), device
    asked = hardware.precision
    if here is not None:
        precision = pick_precision(asked, here).name
    else:
        precision = UNMEASURED[kind] if asked == "auto" else asked
    return Target(kind, source, here, machine_name(here) if here else "", memory, allowed, precision)


def _present(hardware: HardwareOptions) -> torch.device | None:
    try:
        return pick_device(hardware)
    except ReasonError:
        return None


def _may_be_meant(device: torch.device, memory: int, precision: str) -> bool:
    """Whether a device of this machine may be the one of a named memory: any CPU, a card of such size and precision."""
    if device.type == "cpu":
        return True
    try:
        pick_precision(precision, device)
    except ReasonError:
        return False
    return abs(_whole(device) - memory) <= LIKE * memory


def _whole(device: torch.device) -> int:
    """All the memory of a device, in use or not."""
    import psutil
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return psutil.virtual_memory().total


def smaller_card(hardware: HardwareOptions, source: str, device: torch.device) -> str:
    """What to say where the card that trains has less memory than `source` said; empty where it has not."""
    if device.type != "cuda" or not hardware.vram:
        return ""
    said, there = card_bytes(hardware.vram), _whole(device)
    if there >= (1 - LIKE) * said:
        return ""
    return (
        f"{source} is for {said / GIBIBYTE:.3g} GiB, and this machine's {machine_name(device)} has "
        f"{there / GIBIBYTE:.3g} GiB: it trains within what there is"
    )
