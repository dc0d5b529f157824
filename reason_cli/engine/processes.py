"""The processes of a run: which of them this is, and what they agree on. It knows no training and starts none.

A process that `torchrun`, `accelerate launch`, Slurm or `reason train --nproc` began is told its place by variables of
the environment. One that is alone needs no other: everything here then does nothing, and gives back what it was given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

WAIT = timedelta(hours=4)  # for the slowest process; one that died is noticed at once, by its closed connection
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
FIRST_PORT, PORTS = 20_000, 20_000  # a Slurm step meets at one of these
LOST = re.compile("gloo|nccl", re.IGNORECASE)  # in an error that is known by its words alone


@dataclass(frozen=True)
class Place:
    """One process among `count`: its rank, and its rank among the `local_count` of its host."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1


def place() -> Place:
    """Where this process stands, as the environment says; alone where it says nothing."""
    values = [os.environ.get(name) for name in VARIABLES]
    if values[0] is None or values[1] is None:
        return Place()
    rank, count = int(values[0]), int(values[1])
    return Place(rank, count, int(values[2] or rank), int(values[3] or count))


def count() -> int:
    """How many processes the run has."""
    return place().count


def filled(rows: int) -> int:
    """What the rows of a pass are filled up to a multiple of, where each process takes so many at a time."""
    return rows * count() if count() > 1 else 1


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return place().rank == 0


def adopt_slurm(environ: MutableMapping[str, str]) -> None:
    """Say in torch's variables what Slurm says of a task that `srun` began among several.

    A batch script outside of `srun` is no such task, however many its job has.
    """
    if "RANK" in environ or int(environ.get("SLURM_STEP_NUM_TASKS", "1")) < 2:
        return
    host = re.match(r"([^\[,]+)(?:\[(\w+))?", environ["SLURM_STEP_NODELIST"])
    assert host, environ["SLURM_STEP_NODELIST"]
    tasks = re.match(r"\d+", environ.get("SLURM_STEP_TASKS_PER_NODE", "1"))
    assert tasks, environ["SLURM_STEP_TASKS_PER_NODE"]
    step = int(environ["SLURM_JOB_ID"]) + int(environ.get("SLURM_STEP_ID", "0"))
    environ["RANK"], environ["WORLD_SIZE"] = environ["SLURM_PROCID"], environ["SLURM_STEP_NUM_TASKS"]
    environ["LOCAL_RANK"], environ["LOCAL_WORLD_SIZE"] = environ["SLURM_LOCALID"], tasks[0]
    environ.setdefault("MASTER_ADDR", host[1] + (host[2] or ""))
    environ.setdefault("MASTER_PORT", str(FIRST_PORT + step % PORTS))


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Meet the other processes of the run; at the end part from them, after which this one is alone."""
    if count() == 1:
        yield
        return
    from torch import distributed

    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=WAIT)
    # Not in a `finally`: after an error the others may be in the middle of something, and would be waited for.
    yield
    _part()
    distributed.destroy_process_group()
    for name in VARIABLES:
        os.environ.pop(name, None)


def _part() -> None:
    """Leave only when nobody needs this process any more: each tells the first, and goes when that has heard all.

    After a barrier alone one could be gone, and its connection with it, before another has read what it sent last.
    """
    import torch
    from torch import distributed

    word = torch.zeros(1)
    others = range(1, count()) if is_first() else (0,)
    for speak in (distributed.recv, distributed.send) if is_first() else (distributed.send, distributed.recv):
        for other in others:
            speak(word, other)


def wait() -> None:
    """Go on when all processes have come here."""
    total(0.0)


@contextmanager
def first_goes_first() -> Iterator[None]:
    """The first process does what follows before the others begin it."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()


def agreed(make: Callable[[], T]) -> T:
    """What `make` gives in the first process, in all of them; the others do not call it."""
    if count() == 1:
        return make()
    from torch import distributed

    box = [make() if is_first() else None]
    distributed.broadcast_object_list(box, src=0)
    return box[0]  # type: ignore[return-value]


def total(*values: float) -> list[float]:
    """Each value added up over the processes."""
    return _reduced("SUM", values)


def largest(*values: float) -> list[float]:
    """The largest of each value among the processes."""
    return _reduced("MAX", values)


def _reduced(operation: str, values: tuple[float, ...]) -> list[float]:
    if count() == 1:
        return list(values)
    import torch
    from torch import distributed

    tensor = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(tensor, op=getattr(distributed.ReduceOp, operation))
    return tensor.tolist()


def is_loss_of_another(error: BaseException) -> bool:
    """Whether an error may only say that another process of the run is gone: then what ended that one is the cause."""
    if count() == 1 or not isinstance(error, RuntimeError):
        return False
    from torch.distributed import DistError

    return isinstance(error, DistError) or bool(LOST.search(str(error).partition("\n")[0]))
