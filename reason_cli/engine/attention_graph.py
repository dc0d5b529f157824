"""A plain transformer as a graph of tensors, for exporters: keys and values of every layer go in and come out.

For models whose layers all attend to everything before (Llama, Qwen, Mistral, SmolLM, Phi and their like).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from reason_cli.api import State

if TYPE_CHECKING:
    from transformers import PreTrainedModel


MOVING_ROPE = {"dynamic", "longrope"}  # whose angles depend on how long the text is
CLOSE = 1e-3  # of logits, as a share of the largest


def attention_graph(model: PreTrainedModel) -> AttentionGraph | None:
    """The graph of a model, `None` where it is no such transformer: where a layer is of another kind or looks through a
    window, where angles change with the length, and where the graph does not say what the model says to a few tokens.
    """
    config: Any = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    known = all(hasattr(config, name) for name in ("num_hidden_layers", "num_attention_heads", "hidden_size"))
    if kinds != {"full_attention"} or not known or getattr(config, "is_encoder_decoder", False):
        return None
    if getattr(config, "sliding_window", None) and not getattr(config, "layer_types", None):
        return None
    if rope_kinds(config) & MOVING_ROPE:
        return None
    graph = AttentionGraph(model)
    return graph if says_the_same(graph, model, config.vocab_size) else None


def rope_kinds(config: Any) -> set[str]:
    """The kinds of rotary positions that a config names, which may differ between its layers."""
    given = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    every = [given, *(part for part in given.values() if isinstance(part, dict))]
    return {str(part.get("rope_type") or part.get("type")) for part in every}


@torch.no_grad()
def says_the_same(graph: AttentionGraph, model: PreTrainedModel, vocabulary: int) -> bool:
    """Whether a graph and its model say the same to two rows, one of them padded, read in pieces."""
    call: Any = model
    ids = torch.arange(2 * 8, device=model.device).view(2, 8) * 7 % vocabulary
    mask, last = torch.ones_like(ids), torch.arange(4, device=model.device)
    mask[0, :2] = 0
    try:
        first, *states = graph(ids[:, :4], mask[:, :4], last, *[state.start(2) for state in graph.states])
        second, *states = graph(ids[:, 4:7], mask[:, 4:7], last[:3], *states)
        third, *states = graph.step(ids[:, 7:], *states)
        said = torch.cat([first, second, third], 1)
        for row, real in zip((0, 1), mask.bool(), strict=True):
            whole = call(input_ids=ids[row : row + 1, real], use_cache=False).logits[0].float()
            if not (said[row, real] - whole).abs().max() <= CLOSE * max(1.0, float(whole.abs().max())):
                return False
        return bool(said.isfinite().all())
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError):  # it is called in another way
        return False


class AttentionGraph(nn.Module):
    """`reason_cli.Graph` of a transformer. States: `past_mask` (b, past), 0 at padding, and of each layer `key_N` and
    `value_N` (b, heads, past, head_dim), of no columns where nothing was read.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model, self.forward_only = model, ()
        config: Any = model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = ("batch", heads, "past", width)
        pairs = [State(f"{name}_{i}", shape) for i in range(config.num_hidden_layers) for name in ("key", "value")]
        self.states = (State("past_mask", ("batch", "past"), "int64"), *pairs)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: Tensor, past_mask: Tensor, *pairs: Tensor
    ) -> tuple[Tensor, ...]:
        """See `reason_cli.Graph.forward`."""
        from transformers import DynamicCache

        real = torch.cat([past_mask, attention_mask], 1)  # (b, past + l)
        length = input_ids.shape[1]
        columns = torch.arange(real.shape[1], device=real.device)
        sees = columns <= columns[-length:, None]  # (l, past + l)
        allowed = sees & (real[:, None, None] > 0)  # (b, 1, l, past + l)
        lowered = torch.zeros_like(allowed, dtype=self.model.dtype)
        lowered = lowered.masked_fill(~allowed, torch.finfo(self.model.dtype).min)
        positions = (real.cumsum(1) - 1).clamp(min=0)[:, -length:]
        cache = DynamicCache(list(zip(pairs[::2], pairs[1::2], strict=True)))
        call: Any = self.model
        output = call(
            input_ids=input_ids,
            attention_mask=lowered,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=logits_to_keep,
        )
        kept = [x for layer in output.past_key_values.layers for x in (layer.keys, layer.values)]
        return output.logits.float(), real, *kept

    def step(self, input_ids: Tensor, past_mask: Tensor, *pairs: Tensor) -> tuple[Tensor, ...]:
        """See `reason_cli.Graph.step`."""
        last = torch.zeros(1, dtype=torch.long, device=input_ids.device)
        return self(input_ids, torch.ones_like(input_ids), last, past_mask, *pairs)
