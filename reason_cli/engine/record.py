"""What a run writes of itself into `run.toml`."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from reason_cli.engine.hardware import describe
from reason_cli.engine.job import TrainJob
from reason_cli.engine.prepare import Ready
from reason_cli.engine.processes import count
from reason_cli.engine.stream import Stream
from reason_cli.runs import RUN_SOURCE


def record(job: TrainJob, ready: Ready, earlier: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What `run.toml` holds: every value, where each came from, and what this run ran on.

    `earlier` is the record of the run that is gone on with: its start stays, and so do the sources of the values
    that were taken over from it.
    """
    import torch
    import transformers

    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    values, sources = job.settings.as_tables()
    _leave_out_unused(job, values["data"], sources["data"])
    facts = {
        "architecture": job.architecture.name,
        "started": earlier["run"]["started"] if earlier else now,
        "resumed": [*earlier["run"].get("resumed", []), now] if earlier else [],
        "seed": job.train.seed,
        "processes": count(),
        "parameters": ready.model.num_parameters(),
        "precision": ready.precision.name,
        "precision_because": ready.precision.why,
        **_sizes(ready),
        "held_out_rows": len(ready.data.held_out),
        **ready.facts,
        "hardware": describe(ready.device),
        "versions": {
            "reason": job.version,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }
    return {"run": facts, **values, "sources": _kept_sources(sources, earlier["sources"]) if earlier else sources}


def _sizes(ready: Ready) -> dict[str, int]:
    """How much there is to learn from, where that is known beforehand."""
    rows = ready.data.rows
    return {} if isinstance(rows, Stream) else {"training_rows": len(rows), "training_tokens": rows.tokens}


def _leave_out_unused(job: TrainJob, values: dict[str, Any], sources: dict[str, Any]) -> None:
    """Drop the tables of datasets that play no part: the run must be readable where their plugins are not."""
    used = {source.formatter.name for source in job.sources}
    tables = [name for name, table in sources.items() if isinstance(table, dict)]
    for name in tables:
        if name not in used and set(sources[name].values()) == {"default"}:
            del values[name], sources[name]


def _kept_sources(sources: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """`sources`, but where one says no more than 'the run', what the run itself said."""
    kept: dict[str, Any] = {}
    for name, source in sources.items():
        if isinstance(source, Mapping):
            kept[name] = _kept_sources(source, earlier.get(name, {}))
        else:
            kept[name] = earlier.get(name, source) if source.startswith(RUN_SOURCE) else source
    return kept
