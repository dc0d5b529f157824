"""The config of a hybrid: Mamba's, and what the recursive processor and the hierarchical attention add."""

from __future__ import annotations

from transformers import AutoConfig, MambaConfig

MODEL_TYPE = "reason_hybrid"


class HybridConfig(MambaConfig):
    """`transformers.MambaConfig` for the Mamba blocks, and:

    dropout                on each layer's output, in training
    max_recursion_depth    passes of the recursive processor; 0: no processor
    recursion_size         inner width of its transform
    depth_gate             whether a gate weighs each pass; otherwise each counts whole
    adaptive_depth         gates under it are zero in evaluation, and their passes skipped; 0: none is
    ponder_cost            what a pass adds to the loss, times its gate
    n_scale                scales of the attention, of 1, 2, 4, ... tokens per entry; 0: no attention
    window                 entries that a token sees of each scale
    n_head, n_kv_head, head_dim   query heads of one scale; key and value heads; the width of each
    rope_theta             base of the rotary positions
    """

    model_type = MODEL_TYPE

    dropout: float = 0.0
    max_recursion_depth: int = 3
    recursion_size: int = 1024
    depth_gate: bool = True
    adaptive_depth: float = 0.0
    ponder_cost: float = 0.0
    n_scale: int = 3
    window: int = 256
    n_head: int = 4
    n_kv_head: int = 2
    head_dim: int = 64
    rope_theta: float = 10_000.0


AutoConfig.register(MODEL_TYPE, HybridConfig)
