"""What `reason train --dry-run` prints: every setting with its source, the parameter count and the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reason_cli.cli.display import out, size, table
from reason_cli.cli.jobs import plain
from reason_cli.runs import RUN_SOURCE

if TYPE_CHECKING:
    from reason_cli.engine.forecast import Candidate
    from reason_cli.engine.job import TrainJob


def show_plan(job: TrainJob) -> None:
    """Print the plan of a job; loads no weights and no rows."""
    from reason_cli.api import Load
    from reason_cli.engine.forecast import Candidate
    from reason_cli.engine.tokenizers import vocab_size_for

    vocabulary = vocab_size_for(job.architecture, job.options, job.tokenizer)
    used = {f"data.{source.formatter.name}" for source in job.sources}
    rows = [
        (key.path, plain(setting.value), setting.source)
        for key, setting in job.settings.items()
        if key.table in used or not key.table.startswith("data.")
    ]
    out.print(table("setting", "value", "source", rows=rows))
    out.print(f"\ntokenizer  {job.tokenizer}, {vocabulary:,} tokens")
    out.print(f"parameters {job.architecture.estimate(job.options, Load(vocabulary)).parameters:,}")
    source = job.settings["train.gradient_checkpointing"].source
    may_checkpoint = source == "default" or source.startswith(RUN_SOURCE)
    name = job.settings["model.arch"].value
    as_asked = not job.hardware.vram_auto
    if job.train.method != "sft":
        return out.print(f"memory     not planned for train.method {job.train.method}")
    _show_memory(job, Candidate(name, job.architecture, job.options, vocabulary, job.train, may_checkpoint, as_asked))


def _show_memory(job: TrainJob, candidate: Candidate) -> None:
    """What the planner makes of the job: on this machine, or on the card that the settings name."""
    from reason_cli.engine.forecast import outlook
    from reason_cli.engine.planning import card_bytes
    from reason_cli.engine.target import target
    from reason_cli.errors import ReasonError

    if job.hardware.vram:
        card_bytes(job.hardware.vram)  # a mistake to mend, where no plan can be made is none
    try:
        aim = target(job.hardware, job.settings["hardware.vram"].source if job.hardware.vram else "")
    except ReasonError as error:
        out.print(f"memory     not planned: {error}")
        return
    row = outlook(candidate, aim)
    memory, best = row.best.memory, row.best
    out.print(
        f"memory     {size(memory.total)} at most: weights {size(memory.weights)}, gradients {size(memory.gradients)}, "
        f"optimizer {size(memory.optimizer)}, activations {size(memory.activations)}, logits {size(memory.logits)}"
        + (f", heap {size(memory.heap)}" if memory.heap else "")
    )
    recomputed = ", activations recomputed" if best.gradient_checkpointing else ""
    passes = best.gradient_accumulation_steps
    times = f", {passes} times a step" if passes > 1 else ""
    out.print(
        f"rows       {best.micro_batch_size} of {row.length:,} tokens at a time{times}{recomputed}, {aim.precision}"
    )
    where = f"{aim.source}: {aim.device}, not this machine" if aim.here is None else f"{aim.name}, {aim.device}"
    out.print(f"verdict    {row.verdict}; there are {size(aim.budget)} to train in ({where})")
