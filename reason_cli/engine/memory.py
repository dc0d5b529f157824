"""What a training run will need, from an architecture's estimate and the options alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reason_cli.api import Estimate

FLOAT32 = 4  # bytes
# Bytes of state on the device per trained parameter. AdamW keeps two moments, in float32 or in one byte each; those of
# a paged optimizer may live in the host's memory. Adafactor keeps a number per row and per column of a matrix.
OPTIMIZERS = {"adamw": 8, "adamw_8bit": 2, "paged_adamw": 0, "paged_adamw_8bit": 0, "adafactor": 0}


# glibc's heap hands out again what was freed, but cannot give back what lies between pieces in use. Measured on steps
# of Mambas and hybrids (benchmarks/memory.py): a process holds on to so much of what other moments of a step needed.
# Pieces over `HEAP_LARGEST` never come from it, such as the logits over a large vocabulary.
HEAP_KEPT = 0.7
HEAP_LARGEST = 32 * 2**20


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes of one training process at the moment when it holds most, by part.

    Gradients come as activations go, so at that moment it is all of the one and little of the other: a step that is
    short of tokens holds most when its backward pass ends, a longer one when it begins. `heap` is what a process on a
    CPU still holds then of what other moments needed. An average of the weights is the optimizer's.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    heap: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits + self.heap

    def shared(self, processes: int) -> TrainingMemory:
        """Those of a process that keeps one of so many shares; the block that is whole meanwhile is left out."""
        state = {name: getattr(self, name) // processes for name in ("weights", "gradients", "optimizer")}
        return replace(self, **state)


def training_memory(
    estimate: Estimate,
    optimizer: str = "adamw",
    gradient_accumulation_steps: int = 1,
    device_type: str = "cuda",
    *,
    averaged: bool = False,
) -> TrainingMemory:
    """The highest of three moments of a step after the first: the loss, the backward pass's begin, and its end.

    `optimizer` is a key of `OPTIMIZERS`. With more than one accumulation step the gradients of the passes before are
    there all the time. `device_type` is torch's word: on a `cpu` the heap counts. `averaged`: whether there is an
    average of the trained parameters (`train.ema_decay`).
    """
    accumulated = estimate.gradients if gradient_accumulation_steps > 1 else 0
    moments = [
        (accumulated, estimate.activations, estimate.logits),
        (accumulated, estimate.activations + estimate.working, 0),
        (estimate.gradients + estimate.closing, 0, 0),
    ]
    gradients, activations, logits = max(moments, key=sum)
    ever = estimate.gradients + estimate.activations + estimate.working + estimate.closing
    others = ever - gradients - activations + (estimate.logits - logits if estimate.logits <= HEAP_LARGEST else 0)
    heap = int(HEAP_KEPT * others) if device_type == "cpu" else 0
    states = (OPTIMIZERS[optimizer] + (FLOAT32 if averaged else 0)) * estimate.trained_parameters
    return TrainingMemory(estimate.weights, gradients, states, activations, logits, heap)
