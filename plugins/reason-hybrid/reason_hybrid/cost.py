"""What one layer of the hybrid costs, part by part: parameters, operations, and what autograd saves of it.

Letters as in `reason_hybrid.attention` and `reason_hybrid.model`. Attention is counted as the CPU computes it, in
float32; elsewhere, under autocast, it keeps half of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from reason_mamba.architecture import mixer_layer
from reason_mamba.cost import FLOAT32, ROUNDED, Layer, word

from reason_cli import Load

if TYPE_CHECKING:
    from reason_hybrid.architecture import HybridOptions

MOMENTS = 2  # what a LayerNorm keeps of a token beside its input: mean and deviation


@dataclass(frozen=True)
class Part:
    """Of a layer: entries of matrices and other parameters, operations and bytes kept per token."""

    matrices: int = 0
    vectors: int = 0
    flops: int = 0
    kept: float = 0


def hybrid_layer(options: HybridOptions, load: Load) -> Layer:
    """What one layer costs."""
    d, size, tokens = options.d_model, word(load), load.micro_batch_size * load.length
    mixer = mixer_layer(options, load)
    parts = [_fusion(options, size), _attention(options, load), _recursion(options, size)]
    matrices = sum(part.matrices for part in parts)
    # The backward pass adds most in the last pass of the recursion: gradients of the stream, of the state and of what
    # the pass added to it; of both shares in the fusion; inside the transform. What the fusion kept is gone.
    inner = 2 * options.recursion_size if options.max_recursion_depth else 0
    working = tokens * (FLOAT32 * 3 * d + size * (2 * d + inner) - int(parts[0].kept))
    return Layer(
        parameters=mixer.parameters + matrices + sum(part.vectors for part in parts),
        flops=mixer.flops + sum(part.flops for part in parts),
        kept=mixer.kept + tokens * FLOAT32 * (d + MOMENTS) + int(tokens * sum(part.kept for part in parts)),
        rounded=mixer.rounded + (ROUNDED * matrices if size < FLOAT32 else 0),
        working=max(0, working),
    )


def _fusion(options: HybridOptions, size: int) -> Part:
    """Both shares joined, their projection, what dropout left; and the weights of its norm and of the mixer's."""
    d = options.d_model
    kept = size * (3 * d + (d if options.dropout else 0)) + FLOAT32 * MOMENTS
    return Part(matrices=2 * d * d, vectors=2 * d, flops=2 * 2 * d * d, kept=kept)


def _recursion(options: HybridOptions, size: int) -> Part:
    """Each pass keeps the state, that normalised, both sides of the SiLU, and with gates what the pass adds.

    Under autocast the gate rounds the normalised state for itself.
    """
    d, f, k = options.d_model, options.recursion_size, options.max_recursion_depth
    gated = 1 if options.depth_gate else 0
    copied = ROUNDED * d + FLOAT32 if size < FLOAT32 else 0
    once = FLOAT32 * (d + MOMENTS) + size * (d + 2 * f) + gated * (FLOAT32 * d + size + copied)
    return Part(
        matrices=2 * d * f if k else 0,
        vectors=(d + k * d + gated * (k * d + k)) if k else 0,
        flops=k * (2 * 2 * d * f + gated * 2 * d),
        kept=k * once,
    )


def _attention(options: HybridOptions, load: Load) -> Part:
    """The norm before it, its projections, and each scale's queries, entries and results."""
    d, c, z = options.d_model, options.head_dim, options.n_scale
    if not z:
        return Part()
    size, q, kv = word(load), z * options.n_head * c, options.n_kv_head * c
    heads = options.n_head + options.n_kv_head
    around = FLOAT32 * (d + MOMENTS) + size * (d + q + 2 * kv + q) + FLOAT32 * MOMENTS * z * heads
    scales = [_scale(options, load, 2**i) for i in range(z)]
    return Part(
        matrices=d * (q + 2 * kv) + q * d,
        vectors=d + 2 * c + 2 * z * kv,
        flops=2 * (d * (q + 2 * kv) + q * d) + sum(scale.flops for scale in scales),
        kept=around + sum(scale.kept for scale in scales),
    )


def _scale(options: HybridOptions, load: Load, scale: int) -> Part:
    """One scale's: per entry `scale` tokens' queries and results, and one key and value.

    Beyond one window they are filled up to whole windows and cut: the first one, and the later ones with two windows of
    keys and values each. In float32 the first one is a view, which keeps all; rounded, it was copied.
    """
    q, kv, window = options.n_head * options.head_dim, options.n_kv_head * options.head_dim, options.window
    entries = load.length // scale + 1
    later = (ceil(entries / window) - 1) * window
    first = entries if not later else window if word(load) < FLOAT32 else later + window
    results = entries if not later else later + window
    floats = scale * (q * (first + later + results) + options.n_head * results) + 2 * kv * (first + 2 * later)
    pooled = word(load) * kv / scale if scale > 1 else 0
    return Part(flops=2 * 2 * q * min(entries, 2 * window), kept=FLOAT32 * floats / load.length + pooled)
