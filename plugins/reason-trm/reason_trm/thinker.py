"""What thinks: the states of a text to latents, which a tiny network refines again and again.

    compress    attention of `num_latents` queries to the states of the question's tokens: x. Each begins with a token
                or a stretch of them as its own (`stretches`), and knows its line and its column
    recursion   `recursion.deep_recursion` on x, the answer y and the thought z, by one network of two layers
    memory      y as embeddings that the base can read

Glossary: b rows, s tokens, k latents, d their width, e the base's width, h heads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .puzzle_model import HALT_BIAS, Block
from .recursion import deep_recursion
from .stretches import Stretches
from .trm_config import TRMConfig


@dataclass(frozen=True)
class Thought:
    """The answer state y (b, k, d) after a supervision step, and of each row a logit (b,) that it is right; None: no
    head.
    """

    y: Tensor
    halt: Tensor | None


class Thinker(nn.Module):
    """The latents of a base of width e, whose embeddings have the root mean square `loudness`."""

    y_start: Tensor
    z_start: Tensor

    def __init__(self, config: TRMConfig, width: int, loudness: float) -> None:
        super().__init__()
        d = config.hidden_size
        self.config, self.heads = config, config.num_attention_heads
        self.line_embeddings = nn.Embedding(config.num_latents, d)
        self.column_embeddings = nn.Embedding(config.num_latents, d)
        self.nothing = nn.Parameter(torch.zeros(width))  # what latents see that are of no token
        self.focus = nn.Parameter(torch.linspace(4.0, 0.1, self.heads))  # how much a head keeps to its stretch
        self.q_proj = nn.Linear(d, d, bias=False)
        self.kv_proj = nn.Linear(width, 2 * d, bias=False)
        self.o_proj = nn.Linear(d, d, bias=False)
        make: Any = Block
        self.layers = nn.ModuleList(make(config) for _ in range(config.num_hidden_layers))
        self.out_proj = nn.Linear(d, width, bias=False)
        self.loudness = nn.Parameter(torch.full((width,), loudness))
        self.draft_proj = nn.Linear(d, width, bias=False) if config.draft else None
        self.halt_head = nn.Linear(d, 1) if config.halting else None
        # No gradient reaches where the recursion begins, so both stay as they were drawn.
        self.register_buffer("y_start", torch.randn(d))
        self.register_buffer("z_start", torch.randn(d))
        self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        """Every vector that enters the recursion begins with entries of about 1, as the norms leave them."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
        if self.halt_head is not None:
            nn.init.zeros_(self.halt_head.weight)
            nn.init.constant_(self.halt_head.bias, HALT_BIAS)

    def states(self, embeddings: Tensor, hidden: Tensor) -> Tensor:
        """What is known of tokens (b, s, e): which they are, and what the base made of them; of the latter alone it is
        hard to tell the former.
        """
        return self.norm(embeddings) + self.norm(hidden)

    def compress(self, states: Tensor, stretches: Stretches) -> Tensor:
        """states (b, s, e) to x (b, k, d)."""
        places = self.line_embeddings(stretches.line) + self.column_embeddings(stretches.column)  # (b, k, d)
        seen = torch.cat([self.nothing.expand(states.shape[0], 1, -1), states], 1)
        q = self.q_proj(places).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (b, h, k, d / h)
        k, v = self.kv_proj(seen).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (b, h, s + 1, d / h)
        bias = self.lowered(stretches).to(k.dtype)
        found = F.scaled_dot_product_attention(q.to(k.dtype), k, v, attn_mask=bias).transpose(1, 2).flatten(2)
        return places + self.o_proj(found)

    def lowered(self, stretches: Stretches) -> Tensor:
        """What attention is lowered by (b, h, k, s + 1): squared distances, and all of it outside of the question.
        Latents of the question see its tokens alone, the others nothing.
        """
        begun = stretches.begun[:, None, :, None]  # (b, 1, k, 1)
        lowered = -self.focus.square()[:, None, None] * stretches.distances().square()[:, None]  # (b, h, k, s)
        lowered = lowered.masked_fill(~(begun & stretches.inside[:, None, None]), float("-inf"))
        nothing = lowered.new_zeros(*lowered.shape[:3], 1).masked_fill(begun, float("-inf"))
        return torch.cat([nothing, lowered], -1)

    def thoughts(self, x: Tensor) -> Iterator[Thought]:
        """The supervision steps in turn. With `halt_at_test` rows that are held to be right then keep their latents."""
        config = self.config
        count = config.n_supervision_steps
        count = count if self.training else config.steps_at_test or count
        keeps = config.halt_at_test and not self.training
        y, z = (start.to(x.dtype).expand_as(x) for start in (self.y_start, self.z_start))
        last: Thought | None = None
        for _ in range(count):
            if keeps and last is not None and last.halt is not None and bool((last.halt > 0).all()):
                return
            y, z = deep_recursion(self.network, x, y, z, config.n_latent_steps, config.n_deep_recursions)
            last = self.read(y, last if keeps else None)
            yield last
            y, z = y.detach(), z.detach()

    def network(self, hidden: Tensor) -> Tensor:
        """(b, k, d) to (b, k, d): every latent sees all."""
        for layer in self.layers:
            hidden = layer(hidden, None)
        return hidden

    def read(self, y: Tensor, before: Thought | None) -> Thought:
        """What is held of y; rows that had halted before keep what they had then."""
        if self.halt_head is None:
            return Thought(y, None)
        halt = self.halt_head(y.mean(1)).float().squeeze(-1)
        if before is not None and before.halt is not None:
            halted = before.halt > 0
            y = torch.where(halted[:, None, None], before.y, y)
            halt = torch.where(halted, before.halt, halt)
        return Thought(y, halt)

    def memory(self, y: Tensor) -> Tensor:
        """y (b, k, d) as embeddings (b, k, e)."""
        return self.norm(self.out_proj(y)) * self.loudness

    def norm(self, hidden: Tensor) -> Tensor:
        """Root mean square 1, no weights."""
        return F.rms_norm(hidden.float(), hidden.shape[-1:], eps=self.config.rms_norm_eps)
