"""What thinks: the states of a text to latents, which a tiny network refines again and again.

    compress    attention of `num_latents` learned queries to the states of all tokens so far: x, the question. Each
                begins with a stretch of the text as its own, in their order; the paper's x has a place for each token
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
        self.queries = nn.Parameter(torch.randn(config.num_latents, d))
        self.nothing = nn.Parameter(torch.zeros(width))  # what is seen where there is no text yet
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

    def compress(self, states: Tensor, real: Tensor) -> Tensor:
        """states (b, s, e), real (b, s), to x (b, k, d)."""
        rows = states.shape[0]
        seen = torch.cat([self.nothing.expand(rows, 1, -1), states], 1)
        q = self.q_proj(self.queries).unflatten(-1, (self.heads, -1)).transpose(0, 1)  # (h, k, d / h)
        k, v = self.kv_proj(seen).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (b, h, s + 1, d / h)
        q, bias = q.to(k.dtype).expand(rows, -1, -1, -1), self.distances(real).to(k.dtype)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2)
        return self.norm(self.queries + self.o_proj(found))

    def distances(self, real: Tensor) -> Tensor:
        """What attention is lowered by (b, h, k, s + 1): the squared distance of a token from the middle of a query's
        stretch, in latents or in tokens, whichever are fewer. real (b, s) says which tokens there are.
        """
        latents, tokens = len(self.queries), real.sum(1).clamp(min=1)[:, None]
        place = (real.cumsum(1) - 0.5) / tokens  # (b, s), from 0 to 1 as `middle` (k,)
        middle = (torch.arange(latents, device=real.device) + 0.5) / latents
        unit = tokens.clamp(max=latents)[..., None]
        squares = ((place[:, None] - middle[:, None]) * unit).square()[:, None]  # (b, 1, k, s)
        lowered = -self.focus.square()[:, None, None] * squares
        return F.pad(lowered.masked_fill(~real[:, None, None], float("-inf")), (1, 0))

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
