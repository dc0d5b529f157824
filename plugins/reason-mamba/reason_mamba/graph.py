"""A Mamba as a graph of tensors, for exporters: what `MambaCache` keeps goes in and comes out as two tensors."""

from __future__ import annotations

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
    """`reason_cli.Graph` of a Mamba. States: `conv` (layers, b, d_conv - 1, d_inner), `ssm` (layers, b, d_inner,
    d_state), both 0 where nothing was read.
    """

    def __init__(self, model: MambaForCausalLM, loop: str) -> None:
        super().__init__()
        self.model, self.forward_only = model, ()
        self.reading, self.stepping = traced_engine(loop), traced_engine("step")
        config: Any = model.config
        layers, e = config.num_hidden_layers, config.intermediate_size
        self.states = (
            State("conv", (layers, "batch", config.conv_kernel - 1, e)),
            State("ssm", (layers, "batch", e, config.state_size)),
        )

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: Tensor, conv: Tensor, ssm: Tensor
    ) -> tuple[Tensor, ...]:
        """See `reason_cli.Graph.forward`."""
        hidden, states = self.read(input_ids, attention_mask.float(), self.reading, conv, ssm)
        return self.model.score(hidden.index_select(1, logits_to_keep)), *states

    def step(self, input_ids: Tensor, conv: Tensor, ssm: Tensor) -> tuple[Tensor, ...]:
        """See `reason_cli.Graph.step`."""
        hidden, states = self.read(input_ids, None, self.stepping, conv, ssm)
        return self.model.score(hidden), *states

    def read(
        self, ids: Tensor, mask: Tensor | None, engine: Any, conv: Tensor, ssm: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Hidden states (b, l, d) of new tokens (b, l), and the states after them."""
        backbone = self.model.backbone
        cache = GraphCache(len(backbone.layers))
        cache.conv, cache.ssm = list(conv.unbind(0)), list(ssm.unbind(0))
        hidden = backbone.embeddings(ids)
        for hidden_after in backbone.through(hidden, engine, mask, None, cache):
            hidden = hidden_after
        hidden = backbone.norm_f(hidden.to(backbone.norm_f.weight.dtype))
        states = (torch.stack([x for x in kept if x is not None]) for kept in (cache.conv, cache.ssm))
        return hidden, tuple(states)
