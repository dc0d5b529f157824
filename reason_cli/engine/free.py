"""Memory that may still be taken: a GPU's, or the machine's within what this process's control groups allow."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def free_bytes(device: torch.device) -> int:
    """On CUDA what the card has free and what torch holds of it unused; else the machine's, or the container's."""
    if device.type == "cuda":
        import torch

        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    import psutil

    membership = MEMBERSHIP.read_text(encoding="utf-8") if MEMBERSHIP.is_file() else ""
    return min(int(psutil.virtual_memory().available), *group_free_bytes(CGROUPS, membership))


def trim_heap() -> None:
    """Give the system back what glibc's heap holds free between pieces in use; other C libraries do so themselves."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)


def group_free_bytes(root: Path, membership: str) -> list[int]:
    """What each control group above this process leaves it, of either version; nothing where none has a limit.

    `root` is where groups are mounted, `membership` what `/proc/self/cgroup` says. A group outside this container's
    view has no folder here; its limit is then that of the root.
    """
    free = []
    for line in membership.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            free += _left(root, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            free += _left(root / "memory", path, *names)
    return free


def _left(root: Path, path: str, limit: str, usage: str, cache: str) -> list[int]:
    """What is left in a group and in those around it; pages of files that the kernel can drop count as free."""
    inner = root / path.strip("/")
    groups = [inner, *(parent for parent in inner.parents if parent.is_relative_to(root))]
    left = []
    for group in groups:
        most, used = _number(group / limit), _number(group / usage)
        if most is not None and used is not None:
            left.append(max(0, most - used + _counted(group / "memory.stat", cache)))
    return left


def _number(file: Path) -> int | None:
    """The number in a file; `None` where there is none, or it says `max`."""
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _counted(file: Path, name: str) -> int:
    """A line `NAME NUMBER` of a file; 0 where it is not there."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[0] == name), 0)
