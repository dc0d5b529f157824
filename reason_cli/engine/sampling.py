"""Which token comes next: the likeliest, or one drawn with a row's own random number.

Every row is looked at by itself, so that a choice does not depend on the batch it is made in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reason_cli.engine.row import Row


@dataclass(frozen=True)
class Choice:
    """How to choose: `temperature` 0 takes the likeliest token, else one is drawn from the nucleus of `top_p`."""

    temperature: float
    top_p: float

    def __call__(self, logits: Tensor, places: Sequence[int], rows: Sequence[Row]) -> list[int]:
        """A token for each of `rows`, whose logits are those at `places` of logits (batch, vocabulary)."""
        if self.temperature <= 0:
            likeliest = logits.argmax(-1).tolist()
            return [likeliest[place] for place in places]
        uniforms = torch.tensor([row.uniform() for row in rows], device=logits.device)
        return draw(logits[list(places)], uniforms, self.temperature, self.top_p).tolist()


def draw(logits: Tensor, uniforms: Tensor, temperature: float, top_p: float) -> Tensor:
    """Tokens (rows,) by the inverse of the cumulative distribution at `uniforms` (rows,), from 0 to 1.

    logits (rows, vocabulary) are divided by `temperature`. Drawn from are the fewest likeliest tokens whose
    probabilities add up to `top_p` (nucleus sampling, arXiv 1904.09751); 1 leaves all.
    """
    probabilities = torch.softmax(logits.float() / temperature, -1)
    if top_p >= 1:
        return _inverse(probabilities.cumsum(-1), uniforms)
    probabilities, order = probabilities.sort(dim=-1, descending=True, stable=True)
    before = probabilities.cumsum(-1) - probabilities
    nucleus = probabilities.masked_fill(before >= top_p, 0.0).cumsum(-1)
    return order.gather(1, _inverse(nucleus, uniforms).unsqueeze(1)).squeeze(1)


def _inverse(cumulative: Tensor, uniforms: Tensor) -> Tensor:
    """The first index whose sum is over the row's share of the total; never one that adds nothing."""
    total = cumulative[:, -1:]
    found = torch.searchsorted(cumulative, uniforms.unsqueeze(1) * total, right=True)
    last = torch.searchsorted(cumulative, total.contiguous())  # where rounding takes the share up to the total
    return torch.minimum(found, last).clamp(max=cumulative.shape[1] - 1).squeeze(1)
