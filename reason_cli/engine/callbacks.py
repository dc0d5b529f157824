"""What happens around the training steps: figures, progress, samples, complete checkpoints, a clean stop."""

from __future__ import annotations

import json
import math
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from reason_cli.engine import processes
from reason_cli.engine.free import trim_heap
from reason_cli.engine.report import Reporter
from reason_cli.engine.stream import Stream
from reason_cli.engine.trainer import MICRO_BATCH_SIZE, Clock
from reason_cli.errors import ReasonError
from reason_cli.runs import Run, seal

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from reason_cli.engine.averaging import Average

HEAP_SECONDS = 1.0  # between two looks at what is free
REWARD = "reward"  # as TRL logs it
NOT_FINITE = 3  # logged losses in a row that end a run


def memory_bytes() -> int:
    """Memory in use: the GPU's highest mark where there is one, this process's resident set otherwise."""
    import psutil
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else psutil.Process().memory_info().rss


class HeapGuard(TrainerCallback):
    """Has the heap give memory back where the machine, or the container, has less than `least` bytes left.

    Rows of ever other lengths leave holes of ever other sizes in it, far more than a single step is planned to need.
    Giving back costs the next step time, so it is left alone as long as memory is plentiful.
    """

    def __init__(self, free: Callable[[], int], least: int) -> None:
        self.free = free
        self.least = least
        self.looked = -math.inf

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any):
        if time.monotonic() - self.looked < HEAP_SECONDS:
            return
        if self.free() < self.least:
            trim_heap()
        self.looked = time.monotonic()


class Metrics(TrainerCallback):
    """Adds tokens/s, memory and the model's own figures to every line, writes `metrics.jsonl`, refuses a lost loss.

    Every process has one, because `tokens` adds theirs up, and so that all refuse the same; the first writes.
    """

    def __init__(self, run: Run, tokens: Callable[[], int], figures: Callable[[], Mapping[str, float]]) -> None:
        self.run = run
        self.tokens = tokens
        self.figures = figures
        self.last = (time.perf_counter(), 0)
        self.not_finite = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any):
        self.last = (time.perf_counter(), self.tokens())

    def on_log(self, args, state, control, **kwargs: Any) -> None:
        logs: dict[str, Any] = kwargs["logs"]
        if "loss" in logs:
            now, tokens = time.perf_counter(), self.tokens()
            logs["tokens_per_second"] = round((tokens - self.last[1]) / (now - self.last[0]), 1)
            logs["memory_gib"] = round(processes.largest(memory_bytes())[0] / 2**30, 3)
            logs |= {name: round(figure, 4) for name, figure in self.figures().items()}
            self.last = (now, tokens)
        if processes.is_first():
            line = {"step": state.global_step, **logs, "time": round(time.time(), 3)}
            with self.run.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        # In fp16 a step whose gradients are not finite is left out, and the next are scaled by less.
        watched = ("loss",) if args.fp16 else ("loss", "grad_norm")
        self._check([logs[key] for key in watched if key in logs], state.global_step)

    def _check(self, figures: list[Any], step: int) -> None:
        if not figures:
            return
        self.not_finite = 0 if all(math.isfinite(float(f)) for f in figures) else self.not_finite + 1
        if self.not_finite >= NOT_FINITE:
            raise ReasonError(
                f"loss or gradient is not finite since about step {step}",
                "lower --learning-rate or use --precision fp32; the last checkpoint is kept",
            )


class Rehearsal(TrainerCallback):
    """A pass over the longest rows before the first step: memory that runs short does so now, not hours in."""

    def __init__(self, rehearse: Callable[[], None]) -> None:
        self.rehearse = rehearse

    def on_train_begin(self, args, state, control, **kwargs: Any) -> None:
        self.rehearse()


class Averaging(TrainerCallback):
    """Takes the weights after each step into their average, before they are validated or saved."""

    def __init__(self, average: Average) -> None:
        self.average = average

    def on_train_begin(self, args, state, control, **kwargs: Any) -> None:
        self.average.begin()

    def on_step_end(self, args, state, control, **kwargs: Any) -> None:
        self.average.update(state.global_step)


class MicroBatch(TrainerCallback, ExportableState):
    """Says when fewer rows go through the model at a time, and keeps in each checkpoint how many do."""

    def __init__(self, report: Reporter, size: Callable[[], int], *, gradient_checkpointing: bool) -> None:
        self.report = report
        self.size = size
        self.gradient_checkpointing = gradient_checkpointing

    def state(self) -> dict[str, Any]:
        used = {MICRO_BATCH_SIZE: self.size(), "gradient_checkpointing": self.gradient_checkpointing}
        return {"args": {}, "attributes": used}

    def on_log(self, args, state, control, **kwargs: Any) -> None:
        if MICRO_BATCH_SIZE in kwargs["logs"]:
            self.report.warn(
                f"step {state.global_step + 1}: out of memory, so from here on {self.size()} rows at a time; "
                "the rows of a step stay the same"
            )


class Progress(TrainerCallback):
    """Moves the bar, and says how each validation went."""

    def __init__(self, report: Reporter, clock: Clock) -> None:
        self.report = report
        self.clock = clock
        self.losses: deque[float] = deque(maxlen=1)
        self.speed = 0.0
        self.reward: float | None = None  # of answers that are graded

    def on_train_begin(self, args, state, control, **kwargs: Any) -> None:
        self.report.start("training", 1.0)

    def on_log(self, args, state, control, **kwargs: Any) -> None:
        logs: dict[str, Any] = kwargs["logs"]
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))
            self.speed = logs["tokens_per_second"]
        self.reward = logs.get(REWARD, self.reward)

    def on_step_end(self, args, state, control, **kwargs: Any) -> None:
        figures = {"step": f"{state.global_step:,}"}
        if self.losses:
            said = {"loss": self.losses[-1]} if self.reward is None else {REWARD: self.reward}
            figures |= {**{k: f"{v:.3f}" for k, v in said.items()}, "tokens/s": f"{self.speed:,.0f}"}
        self.report.update(min(1.0, self.clock.progress(state.global_step)), figures)

    def on_evaluate(self, args, state, control, **kwargs: Any) -> None:
        metrics: dict[str, float] = kwargs["metrics"]
        said = [f"validation loss {metrics['eval_loss']:.4f}"] if "eval_loss" in metrics else []
        said += [f"accuracy {metrics['eval_accuracy']:.1%}"] if "eval_accuracy" in metrics else []
        if self.reward is not None:
            said.append(f"reward {self.reward:.3f}")
        elif self.losses:
            said.append(f"training loss {self.losses[-1]:.4f}")
        if said:
            self.report.say(f"step {state.global_step:,}: {', '.join(said)}")

    def on_train_end(self, args, state, control, **kwargs: Any) -> None:
        self.report.finish()


class Samples(TrainerCallback):
    """Shows generated answers at each validation, so that a person sees it learn."""

    def __init__(self, show: Callable[[int], None]) -> None:
        self.show = show

    def on_evaluate(self, args, state, control, **kwargs: Any) -> None:
        self.show(state.global_step)


class Seal(TrainerCallback):
    """Marks each checkpoint complete once all its files are written: a resume trusts no other."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if processes.is_first():
            seal(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")


class Stop(TrainerCallback, ExportableState):
    """Ends a run cleanly: when its minutes are over, or on the first SIGINT or SIGTERM (the second kills).

    Either way the step is finished and saved. Keeps the seconds spent, so that a resumed run counts on. Of several
    processes all stop at the same step, whichever of them the signal came to.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.signal: signal.Signals | None = None
        self.previous: dict[int, Any] = {}

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": {"seconds": self.clock.seconds}}

    def on_train_begin(self, args, state, control, **kwargs: Any) -> None:
        saved = state.stateful_callbacks.get("Stop", {})
        if isinstance(saved, dict):
            self.clock.spent_before = saved.get("attributes", {}).get("seconds", 0.0)
        for number in (signal.SIGINT, signal.SIGTERM):
            self.previous[number] = signal.signal(number, self._receive)
        self._agree()

    def _receive(self, number: int, frame: Any) -> None:
        self.signal = signal.Signals(number)
        signal.signal(number, self.previous[number])

    def _agree(self) -> None:
        """What the processes know of together: the signal that one received, and the time."""
        if processes.count() > 1:
            number, self.clock.agreed = processes.largest(self.signal or 0, self.clock.own_seconds)
            self.signal = signal.Signals(int(number)) if number else None

    def on_step_end(self, args, state, control: TrainerControl, **kwargs: Any) -> TrainerControl:
        self._agree()
        if self.signal is not None:
            control.should_save = control.should_training_stop = True
        elif self.clock.max_seconds and self.clock.seconds >= self.clock.max_seconds:
            control.should_training_stop = True
        return control

    def on_train_end(self, args, state, control, **kwargs: Any) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)


class LastValidation(TrainerCallback):
    """Validates and saves the last step, wherever it comes: else the best could only be chosen among earlier ones.

    Stands after `Stop`, which may end a run at any step; a run that a signal cuts short ends at once.
    """

    def __init__(self, stop: Stop) -> None:
        self.stop = stop

    def on_step_end(self, args, state, control: TrainerControl, **kwargs: Any) -> TrainerControl:
        ends = control.should_training_stop or state.global_step >= state.max_steps
        if ends and self.stop.signal is None:
            control.should_evaluate = control.should_save = True
        return control


class StreamPlace(TrainerCallback, ExportableState):
    """Keeps in each checkpoint where the stream of rows goes on."""

    def __init__(self, stream: Stream, batches_per_step: int) -> None:
        self.stream = stream
        self.batches_per_step = batches_per_step
        self.steps = 0  # of this process

    def on_step_end(self, args, state, control, **kwargs: Any) -> None:
        self.steps += 1

    def state(self) -> dict[str, Any]:
        start = self.stream.state_after(self.steps * self.batches_per_step)
        return {"args": {}, "attributes": {"start": start.to_json()}}
