"""What a base has read so far: keys and values, which slots are real, and what is thought about."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import DynamicCache


@dataclass(frozen=True)
class Reading:
    """One batch, as far as it was read. Nothing here is changed in place: reading on gives a new one.

    keys           the base's cache; None where nothing was read yet, or where all is read again (`trail`)
    real (b, s)    the slots of the cache that hold something; the others are padding
    count (b,)     tokens of each row, which is the position of its next one; latents take none
    states (b, s, d), tokens (b, s), states_real (b, s)
                   what is thought about, of each token, and which it is; None once all rows have thought
    thought (b,)   whether a row has had its latents
    seen           columns that were given
    trail          embeddings and positions of all slots, kept in place of `keys` where activations are recomputed
    """

    real: Tensor
    count: Tensor
    thought: Tensor
    states_real: Tensor
    tokens: Tensor
    keys: DynamicCache | None = None
    states: Tensor | None = None
    seen: int = 0
    trail: tuple[Tensor, Tensor] | None = None

    is_compileable = False  # asked by transformers' generate before it compiles a forward pass by itself

    @classmethod
    def begun(cls, rows: int, device: torch.device) -> Reading:
        """Nothing read yet."""
        nothing = torch.zeros(rows, 0, dtype=torch.bool, device=device)
        zeros = torch.zeros(rows, dtype=torch.long, device=device)
        return cls(nothing, zeros, zeros.bool(), nothing, nothing.long())

    def keys_to_extend(self) -> DynamicCache:
        """A cache that can grow while this one stays as it is; tensors are shared until they grow."""
        if self.keys is None:
            return DynamicCache()
        keys = copy(self.keys)
        keys.layers = [copy(layer) for layer in self.keys.layers]
        return keys

    def with_states(self, states: Tensor, tokens: Tensor, real: Tensor) -> Reading:
        """With the states (b, n, d) of tokens (b, n), real (b, n), beside those that there are."""
        before = states[:, :0] if self.states is None else self.states
        return replace(
            self,
            states=torch.cat([before, states], 1),
            tokens=torch.cat([self.tokens, tokens], 1),
            states_real=torch.cat([self.states_real, real], 1),
        )

    def forgotten(self) -> Reading:
        """Without states, where no row will think any more."""
        if not bool(self.thought.all()):
            return self
        return replace(self, states=None, tokens=self.tokens[:, :0], states_real=self.states_real[:, :0])
