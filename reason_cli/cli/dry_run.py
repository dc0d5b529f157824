"""What `reason train --dry-run` prints: every setting with its source, the parameter count and the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reason_cli.api import Load
from reason_cli.cli.display import out, size, table
from reason_cli.cli.jobs import plain

if TYPE_CHECKING:
    from reason_cli.engine.job import TrainJob


def show_plan(job: TrainJob) -> None:
    """Print the plan of a job; loads no weights and no rows."""
    from reason_cli.engine.memory import training_memory
    from reason_cli.engine.tokenizers import vocab_size

    vocabulary = vocab_size(job.tokenizer)
    estimate = job.architecture.estimate(
        job.options, Load(vocabulary, job.train.micro_batch_size, job.options.max_seq_len)
    )
    memory = training_memory(estimate)
    used = {f"data.{source.formatter.name}" for source in job.sources}
    rows = [
        (key.path, plain(setting.value), setting.source)
        for key, setting in job.settings.items()
        if key.table in used or not key.table.startswith("data.")
    ]
    out.print(table("setting", "value", "source", rows=rows))
    out.print(f"\ntokenizer  {job.tokenizer}, {vocabulary:,} tokens")
    out.print(f"parameters {estimate.parameters:,}")
    out.print(
        f"memory     {size(memory.total)} at most: weights {size(memory.weights)}, gradients {size(memory.gradients)}, "
        f"optimizer {size(memory.optimizer)}, activations {size(memory.activations)}, logits {size(memory.logits)} "
        f"({job.train.micro_batch_size} rows of {job.options.max_seq_len} tokens, float32)"
    )
