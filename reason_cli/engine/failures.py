"""Why a run of several processes ended badly: each that fails leaves a record, and one cause is found among them.

When one process goes, the others lose their connection to it and fail too; what a person should read is the cause.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reason_cli.engine.processes import place
from reason_cli.errors import ReasonError
from reason_cli.runs import Run

RECORDS = "REASON_RECORDS"  # the folder where the processes that `launch` began leave their records


@dataclass(frozen=True)
class Record:
    """Why a process failed: what to show, its exit code, whether it may only have lost another process, and when."""

    rank: int
    text: str
    code: int
    lost: bool = False
    time: float = 0.0


@dataclass(frozen=True)
class Ended:
    """How the processes ended: the exit code, and what to show a person, empty where the first has said it."""

    code: int
    text: str = ""


def leave_record(text: str, code: int, *, lost: bool = False) -> bool:
    """Keep why this process fails for the one that began it; false where nobody would read it."""
    folder = os.environ.get(RECORDS)
    if folder is None:
        return False
    record = Record(place().rank, text, code, lost, time.time())
    with contextlib.suppress(OSError):  # the folder is gone when the one that began this process is
        (Path(folder) / f"{record.rank}.json").write_text(json.dumps(asdict(record)), encoding="utf-8")
    return True


def records(folder: Path) -> list[Record]:
    """The records in a folder, those of causes before those of losses, and the earlier first."""
    found = [Record(**json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob("*.json")]
    return sorted(found, key=lambda record: (record.lost, record.time))


def verdict(failures: Mapping[int, Any], told: list[Record], processes: int, run: Run) -> Ended:
    """What ended a run: the first process that failed by itself.

    `failures` are torchrun's by rank, in the order in which it saw them; `told` the `records`. Raises `ReasonError`
    when a process died without a word.
    """
    # torchrun ends those that are left when one fails: by SIGTERM, or, where that is not heard, by SIGKILL later on.
    speaking = {record.rank for record in told}
    died = [
        (failure.timestamp, rank, failure.exitcode)
        for rank, failure in failures.items()
        if rank not in speaking and failure.exitcode not in (0, 1, -signal.SIGTERM)
    ]
    if died and (not told or told[0].lost or min(died)[0] < told[0].time):
        _, rank, code = min(died, key=lambda death: death[0])
        raise _death(rank, signal.Signals(-code).name if code < 0 else f"exit code {code}", processes, run)
    return Ended(told[0].code, told[0].text) if told else Ended(1)


def _death(rank: int, how: str, processes: int, run: Run) -> ReasonError:
    lines = run.metrics.read_text(encoding="utf-8").splitlines() if run.metrics.is_file() else []
    where = f"at about step {json.loads(lines[-1])['step']:,}" if lines else "before the first step was logged"
    complete = run.complete_checkpoints()
    hint = "there is no checkpoint yet: start again, with a lower --save-steps"
    if complete:
        hint = f"the last checkpoint is {complete[-1]}: reason train --resume {run.path} --nproc {processes}"
    return ReasonError(f"rank {rank} died ({how}) {where}", hint)
