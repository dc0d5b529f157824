"""What a Llama costs: parameters, operations and memory, from the shapes alone.

Byte counts follow what autograd saves, tensor by tensor, of transformers' own modules with torch's fused attention.
Letters: d width, q and kv widths of all query heads and of all key (or value) heads, f inner width of the MLP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reason_cli import Estimate, Load

if TYPE_CHECKING:
    from reason_llama.architecture import LlamaOptions

FLOAT32, ROUNDED = 4, 2  # bytes of a float32, and of a number as autocast rounds it


@dataclass(frozen=True)
class Block:
    """One block under a load: entries of its matrices, all its parameters, operations per token, and bytes.

    `kept` is what it saves for its backward pass, its input included, and `rounded` are its matrices as autocast rounds
    them. `working` is the most that its backward pass adds to these.
    """

    matrices: int
    parameters: int
    flops: int
    kept: int
    rounded: int
    working: int


def model_estimate(options: LlamaOptions, load: Load) -> Estimate:
    """Of a model that is trained whole, by transformers' own loss, which holds the logits of all positions."""
    block, layers, d = _block(options, load), options.n_layer, options.d_model
    tokens, vocabulary = load.micro_batch_size * load.length, load.vocab_size * d
    parameters = (1 if options.tie_embeddings else 2) * vocabulary + layers * block.parameters + d
    stream = FLOAT32 * tokens * d  # the residual stream at one place
    turns = 2 * FLOAT32 * load.length * (d // options.n_head)  # sines and cosines of the positions, for all blocks
    final_norm = 2 * stream + FLOAT32 * tokens  # its input, its input normalised, and by how much
    whole = block.kept + block.rounded
    if load.gradient_checkpointing:
        # Autocast remembers the rounded matrices of all blocks until the forward pass is over.
        kept, remembered, recomputed = layers * stream, layers * block.rounded, whole - stream
    else:
        kept, remembered, recomputed = layers * whole, 0, 0
    head_gradient = FLOAT32 * vocabulary
    scores = tokens * load.vocab_size
    return Estimate(
        parameters=parameters,
        trained_parameters=parameters,
        flops_per_token=layers * block.flops + 2 * vocabulary,
        weights=FLOAT32 * parameters,
        gradients=FLOAT32 * parameters,
        activations=kept + final_norm + turns,
        # The backward pass begins with the final norm: five of its size on the way from its output to its input.
        working=head_gradient + max(5 * stream, recomputed + block.working - final_norm),
        # The logarithms of the shares, and their gradient before and after them; later the logits' and the head's.
        logits=remembered + stream + max(3 * FLOAT32 * scores, (FLOAT32 + _word(load)) * scores + head_gradient),
        closing=max(whole + block.working, stream + (head_gradient if options.tie_embeddings else 0)),
    )


def _block(options: LlamaOptions, load: Load) -> Block:
    d, f, q = options.d_model, options.d_inner, options.d_model
    kv = q // options.n_head * options.n_kv_head
    size, tokens = _word(load), load.micro_batch_size * load.length
    matrices = 2 * d * (q + kv) + 3 * d * f
    exact = size == FLOAT32
    # Each norm keeps its input, that normalised, and by how much; what it gives is rounded for each product anew.
    norms = FLOAT32 * 2 * (2 * d + 1) + size * (2 * d if exact else 5 * d)
    padded = load.micro_batch_size > 1  # rows of a batch are seldom equally long
    # With a mask, each query head gets keys and values of its own; a single head's are seen by all without a copy.
    read, mask = q if padded and options.n_kv_head > 1 else kv, load.length if padded else 0
    attention = size * (2 * q + 2 * read + mask) + FLOAT32 * options.n_head
    return Block(
        matrices=matrices,
        parameters=matrices + 2 * d,
        flops=2 * matrices + 2 * q * load.length,  # a token sees half of the others on average
        kept=tokens * (norms + attention + size * 4 * f),
        rounded=0 if exact else ROUNDED * matrices,
        working=tokens * (FLOAT32 * 2 * d + size * 2 * f),
    )


def _word(load: Load) -> int:
    """Bytes of a number that a matrix product gives."""
    return FLOAT32 if load.precision == "fp32" else ROUNDED
