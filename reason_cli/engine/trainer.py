"""`transformers.Trainer` with what this project adds: which parameters decay, how rows are ordered, and a
learning rate that knows the clock. The loop itself is the library's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments

from reason_cli.config import TrainOptions
from reason_cli.engine.order import LengthGrouped, Mixture
from reason_cli.engine.stream import Stream

if TYPE_CHECKING:
    import torch
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
        per_device_train_batch_size=options.micro_batch_size,
        per_device_eval_batch_size=options.micro_batch_size,
        gradient_accumulation_steps=options.gradient_accumulation_steps,
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
    """

    def __init__(
        self,
        *,
        clock: Clock,
        options: TrainOptions,
        mixture: Mixture | None = None,
        accuracy: Callable[[], float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clock = clock
        self.options = options
        self.mixture = mixture
        self.accuracy = accuracy
        collator: Any = self.data_collator
        self.pad_token_id: int = collator.pad_token_id
        self._tokens: torch.Tensor | int = 0

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """The library's step; the tokens that go through it are counted on the device, without waiting for it."""
        packed = "attention_mask" not in inputs
        real = inputs["input_ids"] != self.pad_token_id if packed else inputs["attention_mask"]
        self._tokens = self._tokens + real.sum()
        return super().training_step(model, inputs, *args, **kwargs)

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
        loader = DataLoader(self.train_dataset, batch_size=None, collate_fn=self.data_collator)
        return self.accelerator.prepare(loader)

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
