"""What a language model of equal layers costs: parameters, operations and memory, from the shapes alone.

An architecture says what one of its layers costs, as a `Layer`; embeddings, final norm and the loss are added here.
Byte counts follow what autograd saves, tensor by tensor, and the order in which its backward pass takes and frees.
"""

from __future__ import annotations

from dataclasses import dataclass

from reason_cli import Estimate, Load

FLOAT32, ROUNDED = 4, 2  # bytes of a float32, and of a number as autocast rounds it
LOSS_CHUNK = 64 * 2**20  # bytes of the float32 logits that `reason_cli.linear_cross_entropy` holds at once


@dataclass(frozen=True)
class Layer:
    """One layer under a load: parameters, operations per token of its forward pass, and bytes.

    `kept` is what it saves for its backward pass, its input included; `rounded` are its matrices as autocast rounds
    them. `working` is the most that its backward pass adds to these, what it has freed of them by then taken away.
    """

    parameters: int
    flops: int
    kept: int
    rounded: int
    working: int


def word(load: Load) -> int:
    """Bytes of a number that a matrix product gives."""
    return FLOAT32 if load.precision == "fp32" else ROUNDED


def model_estimate(layer: Layer, n_layer: int, d_model: int, load: Load) -> Estimate:
    """Of a model of `n_layer` such layers, its head tied to its embeddings, trained whole."""
    tokens = load.micro_batch_size * load.length
    vocabulary = load.vocab_size * d_model
    parameters = vocabulary + n_layer * layer.parameters + d_model
    stream = FLOAT32 * tokens * d_model  # the residual stream at one place
    final_norm = 2 * stream + FLOAT32 * tokens  # its input, its input normalised, and by how much
    whole = layer.kept + layer.rounded
    if load.gradient_checkpointing:
        # Autocast remembers the rounded matrices of all layers until the forward pass is over.
        kept, remembered, recomputed = n_layer * stream, n_layer * layer.rounded, whole - stream
    else:
        kept, remembered, recomputed = n_layer * whole, 0, 0
    head_gradient = FLOAT32 * vocabulary
    # The backward pass begins with the final norm: gradients of what was picked from its output, of that output, and
    # three of its size on the way to its input.
    return Estimate(
        parameters=parameters,
        trained_parameters=parameters,
        flops_per_token=n_layer * layer.flops + 2 * vocabulary,
        weights=FLOAT32 * parameters,
        gradients=FLOAT32 * parameters,
        activations=kept + final_norm,
        working=head_gradient + max(5 * stream, recomputed + layer.working - final_norm),
        logits=head_gradient + remembered + 3 * stream + _chunk(load, tokens, vocabulary),
        closing=max(whole + layer.working, head_gradient + stream),
    )


def _chunk(load: Load, tokens: int, vocabulary: int) -> int:
    """The most that the loss holds for one chunk of positions, beside their hidden states and all gradients.

    In float32 the logits alone. Rounded, the head, and first logits in both precisions, then rounded logits and what
    the chunk adds to the head's gradient.
    """
    logits = min(LOSS_CHUNK, FLOAT32 * tokens * load.vocab_size)
    if word(load) == FLOAT32:
        return logits
    return ROUNDED * vocabulary + max(logits * 3 // 2, logits // 2 + ROUNDED * vocabulary)
