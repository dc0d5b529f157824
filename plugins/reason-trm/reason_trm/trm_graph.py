"""The recursive reasoner as a graph of tensors, for exporters: the base's keys and values go in and come out, and with
them what is to be thought about.

In a graph no row can wait for another, nor a column be left out: new tokens are read as if nothing were thought of; and
where a row begins to think, the latents follow, and the same tokens are read once more after these. Masks say which of
the three a token is seen in. So a piece in which some row begins to think takes twice the work and twice the slots, and
a text is read fastest in two pieces, of which the second begins at the trigger; any other piece takes neither. A trace
of TorchScript's has no branches: there every piece takes both.

Glossary: as `trm_model`'s, and p slots of the past, s tokens that may be thought about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from reason_cli import State

from .recursion import deep_recursion
from .stretches import Stretches
from .trm_model import TRMForCausalLM


def trm_graph(model: TRMForCausalLM, loop: str) -> TRMGraph | None:
    """The graph of a model whose base attends to everything before; of another None. `loop`: `Architecture.graph`."""
    config: Any = model.base.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    return TRMGraph(model, loop) if kinds == {"full_attention"} else None


class TRMGraph(nn.Module):
    """`reason_cli.Graph` of a recursive reasoner. States: `past_mask` (b, p), 0 where a slot holds nothing; `count`
    (b,), tokens read; `thought` (b,), whether a row has had its latents; `tokens` (b, s), `tokens_mask` (b, s) and
    `seen` (b, s, e), what may be thought about; of each layer of the base `key_N` and `value_N` (b, heads, p, c).
    """

    def __init__(self, model: TRMForCausalLM, loop: str) -> None:
        super().__init__()
        self.model, self.branches = model, loop != "script"
        self.forward_only = (model.config.trigger,) if model.thinker is not None else ()
        config: Any = model.base.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        shape = ("batch", heads, "past", getattr(config, "head_dim", None) or config.hidden_size // heads)
        pairs = [State(f"{name}_{i}", shape) for i in range(config.num_hidden_layers) for name in ("key", "value")]
        self.states = (
            State("past_mask", ("batch", "past"), "int64"),
            State("count", ("batch",), "int64"),
            State("thought", ("batch",), "int64"),
            State("tokens", ("batch", "seen"), "int64"),
            State("tokens_mask", ("batch", "seen"), "int64"),
            State("seen", ("batch", "seen", config.hidden_size)),
            *pairs,
        )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: Tensor,
        past_mask: Tensor,
        count: Tensor,
        thought: Tensor,
        tokens: Tensor,
        tokens_mask: Tensor,
        seen: Tensor,
        *pairs: Tensor,
    ) -> tuple[Tensor, ...]:
        """See `reason_cli.Graph.forward`."""
        begun = ((input_ids == self.model.config.trigger) & (attention_mask > 0)).cumsum(1) > 0
        later = begun & (attention_mask > 0) & (thought[:, None] == 0)
        later = later if self.model.thinker is not None else torch.zeros_like(later)
        before = (attention_mask > 0) & ~later
        embeddings = self.model.get_input_embeddings()(input_ids)
        positions = count[:, None] + before.cumsum(1) - 1
        hidden, real, pairs = self.read(embeddings, before, positions, past_mask, pairs)
        count = count + before.sum(1)
        if self.model.thinker is not None:
            tokens, tokens_mask = torch.cat([tokens, input_ids], 1), torch.cat([tokens_mask, before.long()], 1)
            seen = torch.cat([seen, self.model.thinker.states(embeddings, hidden)], 1)
            of = Stretches.of(tokens, tokens_mask > 0, self.model.config)
            stretches = (of.place, of.length, of.middle, of.line, of.column)
            given = (hidden, embeddings, later, count, seen, *stretches, real, *pairs)
            hidden, real, *after = self.either(later.any(), self.again, self.as_read, given)
            pairs = tuple(after)
            count, thought = count + later.sum(1), thought | later.any(1).long()
        logits = self.model.score(hidden.index_select(1, logits_to_keep))
        return logits, real, count, thought, tokens, tokens_mask, seen, *pairs

    def either(
        self, which: Tensor, yes: Callable[..., Any], no: Callable[..., Any], given: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """What one of two makes of `given`; `yes` of both, which can do without, where a graph has no branches."""
        if self.branches and torch.compiler.is_compiling():
            return torch.cond(which, yes, no, given)
        return yes(*given) if not self.branches or bool(which) else no(*given)

    def again(
        self,
        hidden: Tensor,
        embeddings: Tensor,
        later: Tensor,
        count: Tensor,
        seen: Tensor,
        place: Tensor,
        length: Tensor,
        middle: Tensor,
        line: Tensor,
        column: Tensor,
        real: Tensor,
        *pairs: Tensor,
    ) -> tuple[Tensor, ...]:
        """Hidden states (b, l, e), those of `later` tokens as they are after the latents; slots and pairs of all."""
        memory = self.latents(seen, Stretches(place, length, middle, line, column))
        slots = torch.cat([later.any(1)[:, None].expand(-1, memory.shape[1]), later], 1)
        places = torch.cat([middle, later.cumsum(1) - 1], 1)
        both = torch.cat([memory.to(embeddings.dtype), embeddings], 1)
        after, real, pairs = self.read(both, slots, count[:, None] + places, real, pairs)
        return torch.where(later[..., None], after[:, memory.shape[1] :], hidden), real, *pairs

    @staticmethod
    def as_read(hidden: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        """The same where no row begins to think. What a branch gives may not be what it was given: copies."""
        real, *pairs = given[9:]
        return hidden.clone(), real.clone(), *(x.clone() for x in pairs)

    def step(
        self,
        input_ids: Tensor,
        past_mask: Tensor,
        count: Tensor,
        thought: Tensor,
        tokens: Tensor,
        tokens_mask: Tensor,
        seen: Tensor,
        *pairs: Tensor,
    ) -> tuple[Tensor, ...]:
        """See `reason_cli.Graph.step`; not for a trigger."""
        embeddings, one = self.model.get_input_embeddings()(input_ids), torch.ones_like(input_ids)
        hidden, real, pairs = self.read(embeddings, one > 0, count[:, None], past_mask, pairs)
        if self.model.thinker is not None:
            tokens, tokens_mask = torch.cat([tokens, input_ids], 1), torch.cat([tokens_mask, one], 1)
            seen = torch.cat([seen, self.model.thinker.states(embeddings, hidden)], 1)
        return self.model.score(hidden), real, count + 1, thought, tokens, tokens_mask, seen, *pairs

    def read(
        self, embeddings: Tensor, real: Tensor, positions: Tensor, past_mask: Tensor, pairs: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Embeddings (b, n, e) after the past: the base's hidden states, and mask, keys and values with them."""
        decoder: Any = self.model.base.get_decoder()
        slots = torch.cat([past_mask, real.long()], 1)  # (b, p + n)
        columns, length = torch.arange(slots.shape[1], device=slots.device), embeddings.shape[1]
        sees = (columns <= columns[-length:, None]) & (slots[:, None, None] > 0)  # (b, 1, n, p + n)
        lowered = torch.zeros_like(sees, dtype=embeddings.dtype)
        output = decoder(
            inputs_embeds=embeddings,
            attention_mask=lowered.masked_fill(~sees, torch.finfo(embeddings.dtype).min),
            position_ids=positions.clamp(min=0),
            past_key_values=remembered(pairs),
            use_cache=True,
        )
        kept = tuple(x for layer in output.past_key_values.layers for x in (layer.keys, layer.values))
        return output.last_hidden_state, slots, kept

    def latents(self, seen: Tensor, stretches: Stretches) -> Tensor:
        """What tokens (b, s, e) make one think of: (b, k, e)."""
        thinker, config = self.model.thinker, self.model.config
        assert thinker is not None
        x, last = thinker.compress(seen, stretches), None
        y, z = (start.to(x.dtype).expand_as(x) for start in (thinker.y_start, thinker.z_start))
        for _ in range(config.steps_at_test or config.n_supervision_steps):
            y, z = deep_recursion(thinker.network, x, y, z, config.n_latent_steps, config.n_deep_recursions)
            last = thinker.read(y, last if config.halt_at_test else None)
        assert last is not None
        return self.model.memory(last)


def remembered(pairs: Sequence[Tensor]) -> DynamicCache:
    """Keys and values of each layer, as the base goes on from them. Built from pairs, a cache would put constants into
    the graph, which a branch of it must not hold.
    """
    cache = DynamicCache()
    for keys, values in zip(pairs[::2], pairs[1::2], strict=True):
        layer = DynamicLayer()
        layer.keys, layer.values, layer.is_initialized = keys, values, True
        cache.layers.append(layer)
    return cache
