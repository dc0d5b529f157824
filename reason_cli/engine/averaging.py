"""An exponential moving average of the trained parameters (`train.ema_decay`).

What is looked at and what is saved is the average: it takes the parameters' places for as long. Training goes on with
the parameters themselves, which a checkpoint holds beside its weights, in `TRAINED`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import get_ema_multi_avg_fn

if TYPE_CHECKING:
    from torch import Tensor, nn

TRAINED = "trained.safetensors"


class Average:
    """The average of a model's trained parameters, a copy of each; with a decay of 0 of none, and nothing happens."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad and decay}
        self.values: list[Tensor] = []

    def begin(self) -> None:
        """Begin at the parameters as they are, if it has not begun."""
        self.values = self.values or [p.detach().clone() for p in self.parameters.values()]

    def update(self, step: int) -> None:
        """Take in the parameters after a step, counted from 1. The first steps are soon forgotten."""
        average = get_ema_multi_avg_fn(min(self.decay, (1 + step) / (10 + step)))
        average(self.values, [p.detach() for p in self.parameters.values()], step)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the average for its parameters."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for parameter, value in zip(self.parameters.values(), self.values, strict=True):
            parameter.data, value.data = value.data, parameter.data

    def save(self, folder: Path) -> None:
        """Write the parameters that go on being trained beside a checkpoint's weights, which are the average."""
        if self.parameters:
            save_file({name: p.detach().contiguous() for name, p in self.parameters.items()}, folder / TRAINED)

    def resume(self, folder: Path) -> None:
        """Go on from a checkpoint whose weights the model has: they are the average, where one was kept."""
        self.begin()
        if (folder / TRAINED).is_file():
            parameters = dict(self.model.named_parameters())
            for name, trained in load_file(folder / TRAINED).items():
                parameters[name].data.copy_(trained)
