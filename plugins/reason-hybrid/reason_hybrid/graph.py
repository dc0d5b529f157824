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
    """`reason_cli.Graph` of a hybrid. States of each layer i: Mamba's; with attention `ring_keys_i` and `ring_values_i`
    (b, z, g, window + 1, c), and with more than one scale `tail_i` (b, t, 2 g c). With attention there is also one of
    all layers, `lengths` (b,), the tokens that each row has read.
    """

    def __init__(self, model: Any, loop: str) -> None:
        super().__init__(model, loop)
        if self.config.n_scale:
            self.states += (State("lengths", ("batch",), "int64"),)

    def states_of(self, layer: int) -> tuple[State, ...]:
        """As `MambaGraph.states_of`, and what the rings hold."""
        z, g, c = self.config.n_scale, self.config.n_kv_head, self.config.head_dim
        if not z:
            return super().states_of(layer)
        shape, tail = ("batch", z, g, self.config.window + 1, c), ("batch", 2 ** (z - 1) - 1, 2 * g * c)
        rings = [State(f"ring_{name}_{layer}", shape) for name in ("keys", "values")]
        return *super().states_of(layer), *rings, *([State(f"tail_{layer}", tail)] if z > 1 else [])

    def read(
        self, ids: Tensor, mask: Tensor | None, engine: Any, given: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Hidden states (b, l, d) of new tokens (b, l), and the states after them."""
        backbone: Any = self.model.backbone
        cache, place = self.scanned(HybridGraphCache(len(backbone.layers)), given), None
        if self.config.n_scale:
            cache.rings = [self.rings(layer, given) for layer in range(len(backbone.layers))]
            place = self.place(mask, given["lengths"], ids.shape[1])
        hidden, real = backbone.embeddings(ids), None if mask is None else mask.float()
        for layer in backbone.layers:
            hidden, _ = layer(hidden, engine, real, None, cache, place)
        after = self.after(cache)
        if self.config.n_scale:
            after["lengths"] = given["lengths"] + (ids.shape[1] if mask is None else mask.sum(1))
        return backbone.norm_f(hidden.to(backbone.norm_f.weight.dtype)), after

    def rings(self, layer: int, given: dict[str, Tensor]) -> GraphRings:
        """Keys, values and tail of a layer. In rows that have read nothing the learned entries are number 0."""
        pair = [given[f"{name}_{layer}"] for name in ("ring_keys", "ring_values")]
        nothing = self.model.backbone.layers[layer].attention.nothing[:, :, :, None]  # keys and values: (2, z, g, 1, c)
        slots = torch.arange(pair[0].shape[-2], device=pair[0].device)[:, None]
        learned = (given["lengths"][:, None, None, None, None] == 0) & (slots == 0)  # (b, 1, 1, window + 1, 1)
        none = pair[0].new_zeros(pair[0].shape[0], 0, 2 * self.config.n_kv_head * self.config.head_dim)
        keys, values = (torch.where(learned, nothing[i], x) for i, x in enumerate(pair))
        return GraphRings(keys, values, given.get(f"tail_{layer}", none))

    def after(self, cache: Any) -> dict[str, Tensor]:
        """As `MambaGraph.after`, and what the rings hold."""
        kept = super().after(cache)
        for layer, rings in enumerate(cache.rings if self.config.n_scale else []):
            keys, values = zip(*rings.after, strict=True)
            kept |= {f"ring_keys_{layer}": torch.stack(keys, 1), f"ring_values_{layer}": torch.stack(values, 1)}
            kept[f"tail_{layer}"] = rings.tail_after
        return kept

    def place(self, mask: Tensor | None, lengths: Tensor, length: int) -> Place:
        """Where new tokens stand: behind those that were read, and padding at -1."""
        at = lengths[:, None] if mask is None else lengths[:, None] + mask.cumsum(1) - 1
        real = torch.full_like(lengths, length) if mask is None else mask.sum(1)
        cos, sin = rotation(at, self.config.head_dim, self.config.rope_theta)
        block = 2**self.config.n_scale if mask is None else BLOCK  # one token needs no more
        onward = onward_of(lengths, length - real, lengths + real, length, self.config, block)
        return Place(None, at, cos, sin, begins=False, lengths=None, step=None, onward=onward)
