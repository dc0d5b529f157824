"""`transformers.Trainer` with what this project adds: which parameters decay, how rows are ordered, a learning rate
that knows the clock, and steps that fit into memory. The loop itself is the library's.

The library is given all rows of an optimizer step as one batch; how many of them go through the model at a time is
decided here, step by step. So rows, order and step numbers are the same however much memory there is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from reason_cli.config import TrainOptions
from reason_cli.engine import adapters, processes
from reason_cli.engine.averaging import Average
from reason_cli.engine.optimizers import LIBRARY_NAMES
from reason_cli.engine.order import InOrder, LengthGrouped, Mixture
from reason_cli.engine.parts import parts_of
from reason_cli.engine.shortage import give_back, is_out_of_memory
from reason_cli.engine.stream import Stream
from reason_cli.engine.tokens import IGNORED
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from transformers import PreTrainedModel

    from reason_cli.engine.hardware import Precision
    from reason_cli.runs import Run

T = TypeVar("T")


@dataclass
class Clock:
    """How far a run is, by steps and, where minutes are limited, by time: whichever is further.

    `agreed` is the time in seconds of all processes of the run together, where there are several: by a clock of its
    own each would learn at another rate, and stop at another step.
    """

    max_steps: int
    max_seconds: float = 0.0
    spent_before: float = 0.0  # seconds, in the runs that this one resumes
    begun: float = field(default_factory=time.monotonic)
    agreed: float | None = None

    @property
    def own_seconds(self) -> float:
        return self.spent_before + time.monotonic() - self.begun

    @property
    def seconds(self) -> float:
        return self.own_seconds if self.agreed is None else self.agreed

    def progress(self, step: int) -> float:
        """0 at the start, 1 or more at the end."""
        by_time = self.seconds / self.max_seconds if self.max_seconds else 0.0
        return max(step / self.max_steps, by_time)


ACCURACY = "eval_accuracy"
SKIP_LOGITS = "skip_logits"  # by which a model is asked for its loss alone, without the logits of all positions
MICRO_BATCH_SIZE = "micro_batch_size"  # logged when it becomes smaller
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


def argument_values(
    options: TrainOptions, precision: Precision, device_type: str, run: Run, *, evaluates: bool
) -> dict[str, Any]:
    """The options in the Trainer's words."""
    return {
        "output_dir": str(run.checkpoints),
        "max_steps": options.max_steps,
        "optim": LIBRARY_NAMES[options.optimizer],
        "torch_compile": options.compile,
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "adam_beta1": options.adam_beta1,
        "adam_beta2": options.adam_beta2,
        "max_grad_norm": options.max_grad_norm,
        "per_device_train_batch_size": options.micro_batch_size * options.gradient_accumulation_steps,
        "per_device_eval_batch_size": options.micro_batch_size,
        "eval_strategy": "steps" if evaluates else "no",
        "eval_steps": options.eval_steps,
        "save_steps": options.save_steps,
        "save_total_limit": options.keep_checkpoints,
        "logging_steps": options.logging_steps,
        "logging_nan_inf_filter": False,
        "seed": options.seed,
        "data_seed": options.seed,
        "bf16": precision.name == "bf16",
        "fp16": precision.name == "fp16",
        "use_cpu": device_type == "cpu",
        "dataloader_pin_memory": device_type == "cuda",
        "prediction_loss_only": True,
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": True,
        "load_best_model_at_end": options.load_best != "off",
        "metric_for_best_model": BEST[options.load_best],
        "greater_is_better": options.load_best == "accuracy",
    }


def arguments(*options: Any, evaluates: bool, streams: bool) -> TrainingArguments:
    """The same as an object; a stream goes on by itself where the checkpoint's stood."""
    return TrainingArguments(**argument_values(*options, evaluates=evaluates), ignore_data_skip=streams)


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """What is drawn on the CPU or the device within leaves no trace."""
    places = [torch.random, *([] if device.type == "cpu" else [getattr(torch, device.type)])]
    states = [place.get_rng_state() for place in places]
    try:
        yield
    finally:
        for place, state in zip(places, states, strict=True):
            place.set_rng_state(state)


class Loop(Trainer):
    """What every method of training shares: complete checkpoints, what decays, a rate that knows the clock, and an
    average of the weights, which validations and checkpoints see.
    """

    def __init__(self, *, clock: Clock, options: TrainOptions, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clock = clock
        self.options = options
        self.average = Average(self.model, options.ema_decay)  # type: ignore[arg-type]

    def tokens_seen(self) -> int:
        """Tokens trained on so far."""
        raise NotImplementedError

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """The library's, of the average; it is there when every process has written its part."""
        with self.average.in_place():
            super()._save_checkpoint(model, trial)
        if processes.is_first():
            self.average.save(Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}")
        processes.wait()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """The library's; it does not know a model of its own that carries an adapter."""
        if adapters.is_adapted(self.model):
            adapters.load(self.model, Path(resume_from_checkpoint))  # type: ignore[arg-type]
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.average.resume(Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        """The same for the best checkpoint, which is the average from here on."""
        with self.average.in_place():
            if adapters.is_adapted(self.model):
                adapters.load(self.model, Path(str(self.state.best_model_checkpoint)))  # type: ignore[arg-type]
            else:
                super()._load_best_model()

    def _evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The library's, of the average, with all that is called after it."""
        with self.average.in_place():
            return super()._evaluate(*args, **kwargs)

    def save_now(self) -> None:
        """A checkpoint of the last finished step, as the loop itself would write it."""
        self._save_checkpoint(self.model, trial=None)  # type: ignore[arg-type]
        self.control = self.callback_handler.on_save(self.args, self.state, self.control)

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


class ReasonTrainer(Loop):
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
        super().__init__(clock=clock, options=options, **kwargs)
        self.mixture = mixture
        self.accuracy = accuracy
        collator: Any = self.data_collator
        self.pad_token_id: int = collator.pad_token_id
        self.micro_batch_size = micro_batch_size or options.micro_batch_size
        self.held_out_batch_size = options.micro_batch_size
        self.order: LengthGrouped | None = None
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
        return self._as_fits(
            lambda: self._accumulate(model, self._parts(inputs), num_items_in_batch), self._train_fewer_rows
        )

    def rehearse(self, rows: Sequence[dict[str, Any]], reserve: int) -> None:
        """Forward and backward before the first step, so that memory that runs short does so now.

        `rows` are the longest there are, as many as go through at a time, the longest first. `reserve` bytes are held
        meanwhile: what the optimizer takes with its first step. Leaves no gradient, and the random state as it was.
        """
        batch = self.data_collator(list(rows))
        items = self._get_num_items_in_batch([batch], self.args.device)

        def longest() -> None:
            taken = bool(self.optimizer and self.optimizer.state)
            held = torch.empty(0 if taken else reserve, dtype=torch.uint8, device=self.args.device)
            self._accumulate(self.model_wrapped, self._parts(batch)[:1], items)
            del held

        with random_state_kept(self.args.device):
            self._as_fits(longest, self._train_fewer_rows)
        self.model.zero_grad(set_to_none=True)  # type: ignore[union-attr]

    def prediction_step(
        self, model: nn.Module, inputs: Any, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """The loss of a batch of held-out rows, in parts that fit: the mean over its tokens either way."""

        if SKIP_LOGITS in signature(self.accelerator.unwrap_model(model).forward).parameters:
            inputs = {**inputs, SKIP_LOGITS: True}

        def loss() -> torch.Tensor:
            parts = parts_of(inputs, min(self.micro_batch_size, self.held_out_batch_size), self.pad_token_id)
            losses: list[Any] = [
                Trainer.prediction_step(self, model, dict(part), True, ignore_keys)[0] for part in parts
            ]
            if len(parts) == 1:
                return losses[0]
            learned = torch.stack([(part["labels"][:, 1:] != IGNORED).sum() for part in parts])
            learned = self.accelerator.reduce(learned.to(self.args.device), "sum")
            # A part of idle rows alone, in all processes, has no mean.
            return torch.where(learned > 0, torch.stack(losses) * learned, 0.0).sum() / learned.sum()

        return self._as_fits(loss, self._validate_fewer_rows), None, None

    def _as_fits(self, work: Callable[[], T], take_less: Callable[[], None]) -> T:
        """What `work` gives; again after `take_less` whenever memory runs out."""
        while True:
            try:
                return work()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            # Out of the `except`, so that nothing holds on to what the failed pass kept.
            take_less()
            give_back(self.args.device)

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

    def _train_fewer_rows(self) -> None:
        """Half the rows at a time from here on, partial gradients thrown away; the rows of a step stay the same."""
        self.micro_batch_size = self._fewer(self.micro_batch_size, self.args.per_device_train_batch_size)
        self.model.zero_grad(set_to_none=True)  # type: ignore[union-attr]
        self.log({MICRO_BATCH_SIZE: float(self.micro_batch_size)})

    def _validate_fewer_rows(self) -> None:
        size = min(self.micro_batch_size, self.held_out_batch_size)
        self.held_out_batch_size = self._fewer(size, self.args.per_device_eval_batch_size)

    def _fewer(self, size: int, whole: int) -> int:
        """Half of `size`, or where that does not divide `whole`, the most below it that does.

        Raises `ReasonError` when one row is too many, or when other processes would wait for this one.
        """
        step = self.state.global_step + 1
        if self.accelerator.num_processes > 1:
            raise ReasonError(
                f"step {step}: process {self.accelerator.process_index} is out of memory with {size} rows at a time, "
                "and the others cannot wait for it",
                "go on from the last checkpoint with --resume and a lower --micro-batch-size",
            )
        if size == 1:
            raise ReasonError(
                f"step {step}: out of memory with one row at a time",
                "lower model.max_seq_len, or see with `reason plan` what fits; the last checkpoint is kept",
            )
        return max(n for n in range(1, size // 2 + 1) if whole % n == 0)

    def evaluation_loop(
        self,
        dataloader: DataLoader,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """The mean loss of all held-out tokens, and the accuracy: logged, drawn, and what the best may be chosen by.

        The library's own is a mean of batches, so that it depends on their size and on the number of processes.
        """
        model: Any = self.model
        model.eval()
        loss, tokens = 0.0, 0.0
        for batch in dataloader:
            # Both are of the batches of all processes: the mean of their losses is that of all their tokens.
            [learned] = processes.total(int((batch["labels"][:, 1:] != IGNORED).sum()))
            loss += float(self.prediction_step(model, batch, True)[0]) * learned  # type: ignore[arg-type]
            tokens += learned
        [loss] = processes.total(loss / processes.count())
        metrics = {f"{metric_key_prefix}_loss": loss / tokens}
        if self.accuracy is not None:
            metrics[ACCURACY] = self.accuracy()
        return EvalLoopOutput(predictions=None, label_ids=None, metrics=metrics, num_samples=len(dataloader.dataset))  # type: ignore[arg-type]

    def tokens_seen(self) -> int:
        """Tokens trained on in all processes, padding left out."""
        return int(processes.total(float(self._tokens))[0])

    def get_train_dataloader(self) -> DataLoader:
        """The library's; a stream makes its batches itself."""
        if not isinstance(self.train_dataset, Stream):
            return super().get_train_dataloader()
        # Not the library's to prepare: it would have one process read for all.
        return DataLoader(
            self.train_dataset,
            batch_size=self.options.gradient_accumulation_steps,
            collate_fn=lambda batches: self.data_collator(list(chain.from_iterable(batches))),
        )

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGrouped:
        """Seeded, in batches of like length, so that little of a batch is padding."""
        dataset: Any = train_dataset or self.train_dataset
        fill = processes.filled(self.args.per_device_train_batch_size)
        options = self.options
        self.order = LengthGrouped(dataset.lengths, options.micro_batch_size, options.seed, self.mixture, fill)
        return self.order

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        """The library's. It does not tell the order of rows which pass this is where several processes resume one."""
        if self.order is not None:
            self.order.set_epoch(kwargs["epoch"])
        super()._run_epoch(*args, **kwargs)

    def _get_eval_sampler(self, eval_dataset: Any) -> InOrder:
        return InOrder(len(eval_dataset), processes.filled(self.args.per_device_eval_batch_size))
