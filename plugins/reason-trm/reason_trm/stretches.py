"""What each latent is of: the question's tokens, which latents share out among them in their order.

The question is what the chat template puts between its header and its footer (`puzzle_rows`), of all that was read.
Each of its tokens has a latent where there are as many, and latents that are left over stand for what would follow it;
where there are fewer, each has a stretch of the question.

Glossary: b rows, s tokens as they were read, k latents, q places of the longest question.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .puzzle_model import grid_places
from .puzzle_rows import Questions, questions
from .trm_config import TRMConfig


@dataclass(frozen=True)
class Stretches:
    """Of a batch, by what was read of it.

    place (b, s)           which token of the question a token is, from 0 on; below 0 or at its length: none
    length (b,)            tokens of the question
    middle (b, k)          the token in the middle of a latent's stretch
    line, column (b, k)    where that is in the question's text, in latents
    """

    place: Tensor
    length: Tensor
    middle: Tensor
    line: Tensor
    column: Tensor

    @classmethod
    def of(cls, tokens: Tensor, real: Tensor, config: TRMConfig) -> Stretches:
        """tokens (b, s), real (b, s): all that stands before the trigger, and nothing between where it is not real."""
        columns = tokens.shape[1]
        at = torch.where(real, real.cumsum(1) - 1, columns)  # a column more, for what is not real
        ids = F.pad(torch.zeros_like(tokens), (0, 1)).scatter(1, at, tokens)
        there = torch.arange(columns + 1, device=tokens.device) < real.sum(1, keepdim=True)
        header, footer = (ids.new_tensor(around or []) for around in (config.header, config.footer))
        asked = questions(ids, there, None, header, footer)
        place = (real.cumsum(1) - 1 - asked.begin[:, None]).masked_fill(~real, -1)
        middle = middles(asked.length, config.num_latents)
        return cls(place, asked.length, middle, *_places(ids, asked, middle, config))

    @property
    def inside(self) -> Tensor:
        """Whether a token is of the question (b, s)."""
        return (self.place >= 0) & (self.place < self.length[:, None])

    @property
    def begun(self) -> Tensor:
        """Whether a latent is of the question, and not of what would follow it (b, k)."""
        return torch.arange(self.middle.shape[1], device=self.middle.device) < self.length[:, None]

    def distances(self) -> Tensor:
        """Of tokens from the middle of a latent's stretch (b, k, s), in latents or in tokens, whichever are fewer."""
        numbers = torch.arange(self.middle.shape[1], device=self.middle.device)
        return (self.place[:, None] + 0.5) / _tokens(self.length, len(numbers))[..., None] - (numbers + 0.5)[:, None]


def middles(length: Tensor, latents: int) -> Tensor:
    """The token in the middle of each latent's stretch (b, latents), of questions of length (b,)."""
    numbers = torch.arange(latents, device=length.device)
    return ((numbers + 0.5) * _tokens(length, latents)).long()


def _tokens(length: Tensor, latents: int) -> Tensor:
    """How many tokens a latent has (b, 1): one at least."""
    return (length[:, None] / latents).clamp(min=1.0)


def _places(ids: Tensor, asked: Questions, middle: Tensor, config: TRMConfig) -> tuple[Tensor, Tensor]:
    """Line and column (b, k) of the middles, a line going on after the question; columns in latents."""
    places = torch.arange(ids.shape[1], device=ids.device)
    tokens = ids.gather(1, (asked.begin[:, None] + places).clamp(max=ids.shape[1] - 1))
    lines, columns = grid_places(torch.where(places < asked.length[:, None], tokens, -1), config.newline)
    at, most = middle.clamp(max=lines.shape[1] - 1), middle.shape[1] - 1
    column = middle - (at - columns.gather(1, at))  # counted from where the line of `at` begins
    shared = (column / _tokens(asked.length, middle.shape[1])).long()
    return lines.gather(1, at).clamp(max=most), shared.clamp(max=most)
