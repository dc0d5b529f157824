"""What the recursive model on puzzles costs: parameters, operations and memory, from the options alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reason_cli import Estimate, Load

if TYPE_CHECKING:
    from reason_trm.puzzle_architecture import PuzzleOptions

FLOAT32, ROUNDED = 4, 2  # bytes of a float32, and of a number as autocast rounds it


def puzzle_estimate(options: PuzzleOptions, load: Load) -> Estimate:
    """Of a row half is question, and half the answer, which takes no places of its own."""
    d, f = options.d_model, options.d_inner
    places = load.length // 2 + 1
    size = FLOAT32 if load.precision == "fp32" else ROUNDED
    matrices = 4 * d * d + 3 * d * f  # of a layer: q, k, v, o; gate, up, down
    halting = d + 1 if options.halting else 0
    parameters = 2 * (load.vocab_size + options.max_seq_len) * d + options.n_layer * matrices + halting
    tokens = load.micro_batch_size * places
    once = _kept(options, tokens, size)
    applied = options.n_latent_steps + 1  # of the network, with gradients, in a supervision step
    passes = options.n_supervision_steps * applied * options.n_layer
    inputs = FLOAT32 * tokens * d
    rounded = ROUNDED * options.n_layer * matrices * options.n_supervision_steps if size < FLOAT32 else 0
    logits = FLOAT32 * tokens * load.vocab_size
    read = options.n_supervision_steps * (FLOAT32 * tokens * d + logits)  # y, and the softmax of its logits
    whole = passes * once + rounded
    return Estimate(
        parameters=parameters,
        trained_parameters=parameters,
        flops_per_token=_flops(options, places, load.vocab_size) * places // load.length,
        weights=FLOAT32 * parameters,
        gradients=FLOAT32 * parameters,
        activations=read + (passes * inputs + rounded if load.gradient_checkpointing else whole),
        working=(once if load.gradient_checkpointing else 0) + tokens * (FLOAT32 * 4 * d + size * 3 * f),
        logits=2 * logits,
    )


def _kept(options: PuzzleOptions, tokens: int, size: int) -> int:
    """What one layer saves of its forward pass: q, k, v and their result; both sums that are normalised, by how much,
    and what comes of it; both sides of the gate, what its SiLU gives, and the product.
    """
    d, f = options.d_model, options.d_inner
    attention = size * 4 * d + FLOAT32 * options.n_head
    norms = 2 * (FLOAT32 * (d + 1) + size * d)
    gate = size * (2 * f + f + f)
    return tokens * (attention + norms + gate)


def _flops(options: PuzzleOptions, places: int, vocabulary: int) -> int:
    """Operations of a forward pass in training, per place. The recursions without gradients are counted by a third,
    since a training step is three forward passes, and theirs is one. Of `n_carry_steps` half is taken half the time.
    """
    d, f = options.d_model, options.d_inner
    layer = 2 * (4 * d * d + 3 * d * f) + 2 * 2 * places * d
    network = options.n_layer * layer * (options.n_latent_steps + 1)
    without = (options.n_deep_recursions - 1) * network // 3
    carried = (options.n_carry_steps + 1) * options.n_deep_recursions * network // 12 if options.n_carry_steps else 0
    return options.n_supervision_steps * (network + without + 2 * d * vocabulary) + carried
