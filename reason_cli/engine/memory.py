"""What a training run will need, from an architecture's estimate and the options alone."""

from __future__ import annotations

from dataclasses import dataclass

from reason_cli.api import Estimate

FLOAT32 = 4
ADAM_STATES = 2


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes of one training process, by part."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def training_memory(estimate: Estimate) -> TrainingMemory:
    """Float32 parameters and gradients, AdamW's two moments, and what a step keeps for its backward pass."""
    optimizer = ADAM_STATES * FLOAT32 * estimate.trained_parameters
    activations = estimate.activations + estimate.working
    return TrainingMemory(estimate.weights, estimate.gradients, optimizer, activations, estimate.logits)
