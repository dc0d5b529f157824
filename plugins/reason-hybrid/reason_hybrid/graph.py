"""A hybrid as a graph of tensors, for exporters: Mamba's two states, and what the rings of all layers hold.

Texts of any length are read on from any state, that of rows which have read nothing included: zeros, in whose place
the learned entries come. Padding stays where it is, on the left, and no whole entry ever spans it.
"""

from __future__ import annotations

from typing import Any

import torch
from reason_mamba.graph import GraphCache, MambaGraph
from torch import Tensor

from reason_cli import State

from .attention import BLOCK, Place, onward_of, rotation
from .cache import HybridCache, Rings


class GraphRings(Rings):
    """One layer's rings in a graph, where nothing is overwritten: what they hold afterwards stands beside."""

    def __init__(self, keys: Tensor, values: Tensor, tail: Tensor) -> None:
        super().__init__(keys, values, tail)
        self.after: list[list[Tensor]] = []
        self.tail_after = tail

    def write(self, scale: int, keys: Tensor, values: Tensor) -> None:
        """As `Rings.write`; scales come in their order."""
        self.after.append([keys, values])

    def write_tail(self, tail: Tensor) -> None:
        """As `Rings.write_tail`."""
        self.tail_after = tail


class HybridGraphCache(GraphCache, HybridCache):
    """The state of every layer, in a graph."""


class HybridGraph(MambaGraph):
    """`reason_cli.Graph` of a hybrid. States: Mamba's; with attention `ring_keys` and `ring_values` (layers, b, z, g,
    window + 1, c), `tail` (layers, b, t, 2 g c), and `lengths` (b,), the tokens that each row has read. With one scale
    there is no tail.
    """

    def __init__(self, model: Any, loop: str) -> None:
        super().__init__(model, loop)
        config = self.config = model.config
        layers, z, g, c = config.num_hidden_layers, config.n_scale, config.n_kv_head, config.head_dim
        if not z:
            return
        ring, tail = (layers, "batch", z, g, config.window + 1, c), 2 ** (z - 1) - 1
        self.states += (State("ring_keys", ring), State("ring_values", ring))
        if tail:
            self.states += (State("tail", (layers, "batch", tail, 2 * g * c)),)
        self.states += (State("lengths", ("batch",), "int64"),)

    def forward(  # type: ignore[override]
        self, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: Tensor, *states: Tensor
    ) -> tuple[Tensor, ...]:
        """See `reason_cli.Graph.forward`."""
        hidden, after = self.read(input_ids, attention_mask, self.reading, *states)
        return self.model.score(hidden.index_select(1, logits_to_keep)), *after

    def step(self, input_ids: Tensor, *states: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """See `reason_cli.Graph.step`."""
        hidden, after = self.read(input_ids, None, self.stepping, *states)
        return self.model.score(hidden), *after

    def read(  # type: ignore[override]
        self, ids: Tensor, mask: Tensor | None, engine: Any, *states: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Hidden states (b, l, d) of new tokens (b, l), and the states after them."""
        backbone: Any = self.model.backbone
        given = {state.name: tensor for state, tensor in zip(self.states, states, strict=True)}
        cache, place = HybridGraphCache(len(backbone.layers)), None
        cache.conv, cache.ssm = list(given["conv"].unbind(0)), list(given["ssm"].unbind(0))
        if self.config.n_scale:
            cache.rings = [*map(GraphRings, *(x.unbind(0) for x in self.rings(given)))]
            place = self.place(mask, given["lengths"], ids.shape[1])
        hidden, scanned = backbone.embeddings(ids), None if mask is None else mask.float()
        for layer in backbone.layers:
            hidden, _ = layer(hidden, engine, scanned, None, cache, place)
        hidden = backbone.norm_f(hidden.to(backbone.norm_f.weight.dtype))
        after = {"conv": stacked(cache.conv), "ssm": stacked(cache.ssm)}
        if self.config.n_scale:
            rings: list[Any] = cache.rings
            for i, name in enumerate(("ring_keys", "ring_values")):
                after[name] = stacked([torch.stack([scale[i] for scale in one.after], 1) for one in rings])
            after["tail"] = stacked([one.tail_after for one in rings])
            after["lengths"] = given["lengths"] + (ids.shape[1] if mask is None else mask.sum(1))
        return hidden, tuple(after[state.name] for state in self.states)

    def rings(self, given: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Keys, values and tail of all layers. In rows that have read nothing the learned entries are number 0."""
        keys, values = given["ring_keys"], given["ring_values"]
        layers: Any = self.model.backbone.layers
        nothing = torch.stack([layer.attention.nothing for layer in layers])[:, :, None, :, :, None]
        slots = torch.arange(keys.shape[-2], device=keys.device)[:, None]
        learned = (given["lengths"][:, None, None, None, None] == 0) & (slots == 0)  # (b, 1, 1, window + 1, 1)
        none = keys.new_zeros(*keys.shape[:2], 0, 2 * self.config.n_kv_head * self.config.head_dim)
        keys, values = (torch.where(learned, nothing[:, i], x) for i, x in enumerate((keys, values)))
        return keys, values, given.get("tail", none)

    def place(self, mask: Tensor | None, lengths: Tensor, length: int) -> Place:
        """Where new tokens stand: behind those that were read, and padding at -1."""
        at = lengths[:, None] if mask is None else lengths[:, None] + mask.cumsum(1) - 1
        real = torch.full_like(lengths, length) if mask is None else mask.sum(1)
        cos, sin = rotation(at, self.config.head_dim, self.config.rope_theta)
        block = 2**self.config.n_scale if mask is None else BLOCK  # one token needs no more
        onward = onward_of(lengths, length - real, lengths + real, length, self.config, block)
        return Place(None, at, cos, sin, begins=False, lengths=None, step=None, onward=onward)


def stacked(layers: list[Any]) -> Tensor:
    """The tensors of all layers as one."""
    return torch.stack(layers)
