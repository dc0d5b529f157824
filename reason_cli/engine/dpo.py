"""DPO: of two replies the better is made likelier and the worse less, near to the model that was begun with.

Through TRL's DPOTrainer (arXiv 2305.18290); this module alone imports it, and is imported when it is asked for.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from reason_cli.config import DpoOptions
from reason_cli.engine.initial import reference
from reason_cli.engine.job import TrainJob
from reason_cli.engine.preferences import Pairs, encoded
from reason_cli.engine.prepare import Ready
from reason_cli.engine.report import Silent
from reason_cli.engine.trainer import Clock, Loop, argument_values
from reason_cli.runs import Run


class Dpo(Loop, DPOTrainer):
    """TRL's trainer with this project's token ids and checkpoints."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        """As it is: what is asked and what is learned are tokenised apart already, and nothing is cut."""
        return dataset

    def tokens_seen(self) -> int:
        """Tokens of what is asked and of both replies since this process began."""
        return int(self._total_train_tokens)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None: a checkpoint holds what is needed to load it."""


def dpo_trainer(job: TrainJob, run: Run, ready: Ready, clock: Clock) -> Dpo:
    """The trainer of a job's pairs."""
    options = job.settings.make(DpoOptions, "dpo")
    rows: Pairs = ready.data.rows
    held_out = encoded(ready.data.encoder, ready.data.held_out, refuse_long=False, report=Silent())
    values = argument_values(job.train, ready.precision, ready.device.type, run, evaluates=bool(len(held_out)))
    values |= {
        "per_device_train_batch_size": job.train.micro_batch_size,
        "gradient_accumulation_steps": job.train.gradient_accumulation_steps,
        "gradient_checkpointing": job.train.gradient_checkpointing,
        "disable_dropout": True,
        "max_length": None,
    }
    return Dpo(
        clock=clock,
        options=job.train,
        model=ready.model,
        ref_model=reference(job, ready.data.tokenizer, ready.device),
        args=DPOConfig(**values, beta=options.beta, loss_type=[options.loss_type]),
        train_dataset=Dataset.from_list(list(rows.rows)),
        eval_dataset=Dataset.from_list(list(held_out.rows)) if len(held_out) else None,
        processing_class=ready.data.tokenizer,
    )
