"""`transformers.Trainer` with what this project adds: which parameters decay, how rows are ordered, a learning rate
that knows the clock, and steps that fit into memory. The loop itself is the library's.

The library is given all rows of an optimizer step as one batch; how many of them go through the model at a time is
decided here, step by step. So rows, order and step numbers are the same however much memory there is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments

from reason_cli.config import TrainOptions
from reason_cli.engine.order import LengthGrouped, Mixture
from reason_cli.engine.parts import parts_of
from reason_cli.engine.shortage import give_back, is_out_of_memory
from reason_cli.engine.stream import Stream
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from transformers import PreTrainedModel
    from transformers.trainer_utils import EvalLoopOutput

    from reason_cli.engine.hardware import Precision
    from reason_cli.runs import Run


@dataclass
class Clock:
    """How far a run is, by steps and, where minutes are limited, by time: whichever is further."""

    max_steps: int
    max_seconds: float = 0.0
    spent_before: float = 0.0  # seconds, in the runs that this one resumes
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return self.spent_before + time.monotonic() - self.begun

    def progress(self, step: int) -> float:
        """0 at the start, 1 or more at the end."""
        by_time = self.seconds / self.max_seconds if self.max_seconds else 0.0
        return max(step / self.max_steps, by_time)


ACCURACY = "eval_accuracy"
BEST = {"off": None, "loss": "eval_loss", "accuracy": ACCURACY}

SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: 0.5 * (1.0 + math.cos(math.pi * progress)),
}


def learning_rate_factor(step: int, clock: Clock, warmup_steps: int, shape: str) -> float:
    """The share of the peak learning rate at a step: a linear rise, then the shape's fall to zero."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return max(0.0, SHAPES[shape](min(1.0, clock.progress(step))))


def arguments(
    options: TrainOptions, precision: Precision, device_type: str, run: Run, *, evaluates: bool, streams: bool
) -> TrainingArguments:
    """The options in the Trainer's words."""
    return TrainingArguments(
        output_dir=str(run.checkpoints),
        max_steps=options.max_steps,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        adam_beta1=options.adam_beta1,
        adam_beta2=options.adam_beta2,
        max_grad_norm=options.max_grad_norm,
        per_device_train_batch_size=options.micro_batch_size * options.gradient_accumulation_steps,
        per_device_eval_batch_size=options.micro_batch_size,
        eval_strategy="steps" if evaluates else "no",
        eval_steps=options.eval_steps,
        save_steps=options.save_steps,
        save_total_limit=options.keep_checkpoints,
        logging_steps=options.logging_steps,
        logging_nan_inf_filter=False,
        seed=options.seed,
        data_seed=options.seed,
        bf16=precision.name == "bf16",
        fp16=precision.name == "fp16",
        use_cpu=device_type == "cpu",
        dataloader_pin_memory=device_type == "cuda",
        ignore_data_skip=streams,  # a stream goes on by itself where the checkpoint's stood
        prediction_loss_only=True,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        load_best_model_at_end=options.load_best != "off",
        metric_for_best_model=BEST[options.load_best],
        greater_is_better=options.load_best == "accuracy",
    )


class ReasonTrainer(Trainer):
    """The Trainer; `clock` sets the fall of the learning rate, `mixture` how much of each source is trained on.

    `accuracy`, where given, answers and grades held-out questions at each validation; it stands beside the loss.
    `micro_batch_size` rows go through the model at a time (default: as the options say), fewer once memory ran out.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        options: TrainOptions,
        mixture: Mixture | None = None,
        accuracy: Callable[[], float] | None = None,
        micro_batch_size: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clock = clock
        self.options = options
        self.mixture = mixture
        self.accuracy = accuracy
        collator: Any = self.data_collator
        self.pad_token_id: int = collator.pad_token_id
        self.micro_batch_size = micro_batch_size or options.micro_batch_size
        self._tokens: torch.Tensor | int = 0

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """The gradients of all rows of an optimizer step, in parts that fit; fewer rows at a time once they do not.

        The tokens that go through it are counted on the device, without waiting for it.
        """
        packed = "attention_mask" not in inputs
        real = inputs["input_ids"] != self.pad_token_id if packed else inputs["attention_mask"]
        self._tokens = self._tokens + real.sum()
        while True:
            try:
                return self._accumulate(model, self._parts(inputs), num_items_in_batch)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            # Out of the `except`, so that nothing holds on to what the failed pass kept.
            self._take_fewer_rows()

    def _parts(self, batch: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """A batch in parts that fit. Larger ones than the rows were put in order for are filled by length."""
        alike = self.micro_batch_size > self.options.micro_batch_size
        return parts_of(batch, self.micro_batch_size, self.pad_token_id, alike=alike)

    def _accumulate(
        self, model: nn.Module, parts: Sequence[Mapping[str, Any]], num_items_in_batch: torch.Tensor | int | None
    ) -> torch.Tensor:
        """The library's step for each part; gradients add up, and processes exchange them with the last."""
        rows = sum(len(part["input_ids"]) for part in parts)
        losses = []
        for part in parts:
            # By this a model's loss is divided that is a mean of its part.
            self.current_gradient_accumulation_steps = rows / len(part["input_ids"])  # type: ignore[assignment]
            with nullcontext() if part is parts[-1] else self.accelerator.no_sync(model):
                losses.append(super().training_step(model, dict(part), num_items_in_batch))
        return torch.stack(losses).sum()

    def _take_fewer_rows(self) -> None:
        """Half the rows at a time from here on, or where that does not divide the rows of a step, what does.

        Throws partial gradients away. Raises `ReasonError` when there is nothing less, or other processes would wait
        for this one.
        """
        step = self.state.global_step + 1
        if self.accelerator.num_processes > 1:
            raise ReasonError(
                f"step {step}: process {self.accelerator.process_index} is out of memory with {self.micro_batch_size} "
                "rows at a time, and the others cannot wait for it",
                "go on from the last checkpoint with --resume and a lower --micro-batch-size",
            )
        if self.micro_batch_size == 1:
            raise ReasonError(
                f"step {step}: out of memory with one row at a time",
                "lower model.max_seq_len, or see what fits with `reason plan`; the last checkpoint is kept",
            )
        rows = self.options.micro_batch_size * self.options.gradient_accumulation_steps
        self.micro_batch_size = max(n for n in range(1, self.micro_batch_size // 2 + 1) if rows % n == 0)
        self.model.zero_grad(set_to_none=True)  # type: ignore[union-attr]
        give_back(self.args.device)
        self.log({"micro_batch_size": float(self.micro_batch_size)})

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """The library's, and the accuracy among its metrics: logged, drawn, and what the best may be chosen by."""
        output = super().evaluation_loop(*args, **kwargs)
        if self.accuracy is not None and output.metrics is not None:
            output.metrics[ACCURACY] = self.accuracy()
        return output

    def tokens_seen(self) -> int:
        """Tokens trained on in this process, padding left out."""
        return int(self._tokens)

    def get_train_dataloader(self) -> DataLoader:
        """The library's; a stream makes its batches itself."""
        if not isinstance(self.train_dataset, Stream):
            return super().get_train_dataloader()
        return self.accelerator.prepare(
            DataLoader(
                self.train_dataset,
                batch_size=self.options.gradient_accumulation_steps,
                collate_fn=lambda batches: self.data_collator(list(chain.from_iterable(batches))),
            )
        )

    def save_now(self) -> None:
        """A checkpoint of the last finished step, as the loop itself would write it."""
        self._save_checkpoint(self.model, trial=None)  # type: ignore[arg-type]
        self.control = self.callback_handler.on_save(self.args, self.state, self.control)

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGrouped:
        """Seeded, in batches of like length, so that little of a batch is padding."""
        dataset: Any = train_dataset or self.train_dataset
        return LengthGrouped(dataset.lengths, self.options.micro_batch_size, self.options.seed, self.mixture)

    def get_decay_parameter_names(self, model: PreTrainedModel | nn.Module) -> list[str]:
        """Matrices alone decay, and of those none that its architecture marks `_no_weight_decay`."""
        return [
            name
            for name, parameter in model.named_parameters()
            if parameter.ndim >= 2 and not getattr(parameter, "_no_weight_decay", False)
        ]

    def create_scheduler(self, num_training_steps: int, optimizer: Optimizer | None = None) -> LambdaLR:
        """Warm-up and fall by steps or by the clock, whichever is further."""
        if self.lr_scheduler is None:
            options = self.options
            self.lr_scheduler = LambdaLR(
                optimizer or self.optimizer,  # type: ignore[arg-type]
                lambda step: learning_rate_factor(step, self.clock, options.warmup_steps, options.lr_scheduler),
            )
        return self.lr_scheduler
