"""A Mamba as a graph of tensors, for exporters: what `MambaCache` keeps of each layer goes in and comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from reason_cli import State

from .cache import MambaCache
from .model import MambaForCausalLM
from .scan.traced import traced_engine


class GraphCache(MambaCache):
    """A cache in a graph, where padding stands before a row's first token: its newest inputs are always real."""

    def roll_conv(self, layer: int, x: Tensor, mask: Tensor | None, width: int) -> Tensor:
        """As `MambaCache.roll_conv`, in which nothing depends on where padding is."""
        before = self.conv[layer]
        assert before is not None
        if mask is not None:
            x = x * mask.unsqueeze(-1).to(x.dtype)
        joined = torch.cat([before.to(x.dtype), x], dim=1)
        self.conv[layer] = joined[:, x.shape[1] :].float()
        return joined


class MambaGraph(nn.Module):
    """`reason_cli.Graph` of a Mamba. States of each layer i: `conv_i` (b, d_conv - 1, d_inner) and `ssm_i` (b, d_inner,
    d_state), both 0 where nothing was read.
    """

    def __init__(self, model: MambaForCausalLM, loop: str) -> None:
        super().__init__()
        self.model, self.forward_only = model, ()
        self.config: Any = model.config
        self.reading, self.stepping = traced_engine(loop), traced_engine("step")
        self.states = tuple(state for layer in range(len(model.backbone.layers)) for state in self.states_of(layer))

    def states_of(self, layer: int) -> tuple[State, ...]:
        """What is remembered of rows in one layer, in which nothing depends on another one's."""
        e, n, k = self.config.intermediate_size, self.config.state_size, self.config.conv_kernel
        return State(f"conv_{layer}", ("batch", k - 1, e)), State(f"ssm_{layer}", ("batch", e, n))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: Tensor, *states: Tensor
    ) -> tuple[Tensor, ...]:
        """See `reason_cli.Graph.forward`."""
        hidden, after = self.read(input_ids, attention_mask, self.reading, self.by_name(states))
        return self.model.score(hidden.index_select(1, logits_to_keep)), *(after[state.name] for state in self.states)

    def step(self, input_ids: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """See `reason_cli.Graph.step`."""
        hidden, after = self.read(input_ids, None, self.stepping, self.by_name(states))
        return self.model.score(hidden), *(after[state.name] for state in self.states)

    def by_name(self, states: Sequence[Tensor]) -> dict[str, Tensor]:
        """The states of a call."""
        return {state.name: tensor for state, tensor in zip(self.states, states, strict=True)}

    def read(
        self, ids: Tensor, mask: Tensor | None, engine: Any, given: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Hidden states (b, l, d) of new tokens (b, l), and the states after them."""
        backbone: Any = self.model.backbone
        cache = self.scanned(GraphCache(len(backbone.layers)), given)
        hidden = backbone.embeddings(ids)
        for hidden_after in backbone.through(hidden, engine, None if mask is None else mask.float(), None, cache):
            hidden = hidden_after
        return backbone.norm_f(hidden.to(backbone.norm_f.weight.dtype)), self.after(cache)

    def scanned(self, cache: Any, given: dict[str, Tensor]) -> Any:
        """A cache with Mamba's two states of each layer."""
        layers = range(len(cache.conv))
        cache.conv, cache.ssm = ([given[f"{name}_{layer}"] for layer in layers] for name in ("conv", "ssm"))
        return cache

    def after(self, cache: Any) -> dict[str, Tensor]:
        """These states by their names."""
        kept = {"conv": cache.conv, "ssm": cache.ssm}
        return {f"{name}_{layer}": tensor for name, layers in kept.items() for layer, tensor in enumerate(layers)}
