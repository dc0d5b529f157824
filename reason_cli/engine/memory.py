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

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


def training_memory(estimate: Estimate) -> TrainingMemory:
    """Float32 parameters and gradients, AdamW's two moments, and what a step keeps for its backward pass."""
    weights = FLOAT32 * estimate.parameters
    return TrainingMemory(weights, weights, ADAM_STATES * weights, estimate.activation_bytes)
