"""Begin the processes of a run on this host, under `torch.distributed.run`. Only the first of them speaks."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reason_cli.engine.failures import RECORDS, Ended, records, verdict
from reason_cli.engine.hardware import threads
from reason_cli.errors import ReasonError
from reason_cli.runs import Run

if TYPE_CHECKING:
    import torch

LONGEST_SAVE = 900  # seconds that a run which is told to stop may take for its last step and checkpoint
PARENT_DEATH = 1  # prctl's PR_SET_PDEATHSIG


def launch(arguments: Sequence[str], processes: int, device: torch.device, run: Run) -> Ended:
    """Run `reason ARGUMENTS` in so many processes, to their end; `run` is the run directory that they write.

    SIGINT and SIGTERM are passed on, so that they save and stop; a second one ends them at once. Raises `ReasonError`
    when there are not enough GPUs, and when a process dies.
    """
    _check_devices(processes, device)
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    with tempfile.TemporaryDirectory(prefix="reason-processes-") as name:
        folder = Path(name)
        asked = torchrun.parse_args([*_flags(processes, folder), "--module", "reason_cli"])
        asked.training_script_args = list(arguments)  # not parsed with them: it would take these for its own
        with _surroundings(folder, processes):
            try:
                torchrun.run(asked)
            except ChildFailedError as failed:
                return verdict(failed.failures, records(folder), processes, run)
            except SignalException:
                told = records(folder)
                return Ended(told[0].code, told[0].text) if told else Ended(1)
    return Ended(0)


def end_with_parent() -> None:
    """Have this process told to stop, as by SIGTERM, when the one that launched it is killed. On Linux alone."""
    if RECORDS in os.environ and sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGTERM)


def _flags(processes: int, folder: Path) -> tuple[str, ...]:
    """torchrun's flags. What the processes but the first print goes into files."""
    return (
        "--standalone",
        "--local-addr=127.0.0.1",
        f"--nproc-per-node={processes}",
        f"--shutdown-timeout={LONGEST_SAVE}",
        f"--log-dir={folder / 'logs'}",
        "--redirects=" + ",".join(f"{rank}:3" for rank in range(1, processes)),
    )


def _check_devices(processes: int, device: torch.device) -> None:
    import torch

    if device.type == "cuda" and processes > torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise ReasonError(
            f"--nproc {processes} needs as many GPUs, and torch finds {there}",
            f"--nproc {there}, or --device cpu",
            usage=True,
        )
    if device.type not in ("cuda", "cpu"):
        raise ReasonError(
            f"several processes cannot share the device '{device.type}'",
            "leave --nproc out, or add --device cpu",
            usage=True,
        )


@contextlib.contextmanager
def _surroundings(folder: Path, processes: int) -> Iterator[None]:
    """The processes' environment, with torchrun's own talk turned off; at the end no process is left."""
    import psutil

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    environment, this = dict(os.environ), psutil.Process()
    others = set(this.children(recursive=True))
    os.environ[RECORDS] = str(folder)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, threads() // processes)))
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        os.environ.clear()
        os.environ.update(environment)
        for child in set(this.children(recursive=True)) - others:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        for number, handler in handlers.items():
            signal.signal(number, handler)
