"""Where the question and the answer of a row are, and what stands where.

The question is what the chat template puts between its header and its footer: from after the last header in front of
the answer (or from the row's first token, where there is none) to the footer (or to the answer). The answer begins with
the first token that is learned, or after the last one where none is. Its tokens belong to those of the question one by
one, and its end token at the latest to the place after the question's last: it is never longer than the question.

Letters: b rows, l columns of the batch, q places: the tokens of the longest question and one more.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from reason_cli import ReasonError

IGNORED = -100  # the label of a token that is not trained


@dataclass(frozen=True)
class Questions:
    """Of each row: begin (b,), the column of its first token, and length (b,) in tokens."""

    begin: Tensor
    length: Tensor

    @property
    def places(self) -> Tensor:
        """The numbers of all places (q,)."""
        return torch.arange(int(self.length.max()) + 1, device=self.length.device)

    @property
    def real(self) -> Tensor:
        """Whether a row has a place (b, q)."""
        return self.places <= self.length[:, None]

    def tokens(self, ids: Tensor, end: int) -> Tensor:
        """The question's tokens (b, q) of ids (b, l), and `end` in the places after them."""
        columns = (self.begin[:, None] + self.places).clamp(max=ids.shape[1] - 1)
        return torch.where(self.places < self.length[:, None], ids.gather(1, columns), end)

    def spread(self, values: Tensor, columns: int) -> Tensor:
        """values (b, q, v) at the columns of their places (b, columns, v); 0 elsewhere."""
        place = torch.arange(columns, device=values.device) - self.begin[:, None]
        inside = (place >= 0) & (place <= self.length[:, None])
        index = place.clamp(0, values.shape[1] - 1)[..., None].expand(-1, -1, values.shape[2])
        return values.gather(1, index) * inside[..., None]


def questions(ids: Tensor, mask: Tensor | None, labels: Tensor | None, header: Tensor, footer: Tensor) -> Questions:
    """The questions of rows (b, l), padded on either side where mask is 0. header, footer: their token ids."""
    columns = ids.shape[1]
    at = torch.arange(columns, device=ids.device)
    real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask != 0
    first = torch.where(real, at, columns).amin(1)
    end = torch.where(real, at + 1, 0).amax(1)  # the column after the prompt
    if labels is not None:
        end = torch.minimum(end, torch.where(labels != IGNORED, at, columns).amin(1))
    after = footer.numel()
    closed = _found(ids, footer)  # (b, l) whether it begins there
    stop = (end - after).clamp(min=0)
    has_footer = closed.gather(1, stop[:, None]).squeeze(1) & (end - after >= first)
    end = torch.where(has_footer, stop, end)
    opened = _found(ids, header) & (at >= first[:, None]) & (at + header.numel() <= end[:, None])
    last = torch.where(opened, at, -1).amax(1)
    begin = torch.where(last >= 0, last + header.numel(), first)
    return Questions(begin, (end - begin).clamp(min=0))


def _found(ids: Tensor, sought: Tensor) -> Tensor:
    """Whether the ids `sought` begin at a column (b, l); never, where there are none."""
    if not sought.numel():
        return torch.zeros_like(ids, dtype=torch.bool)
    padded = F.pad(ids, (0, sought.numel()), value=-1)  # which is no id
    same = [padded[:, n : n + ids.shape[1]] == token for n, token in enumerate(sought.unbind())]
    return torch.stack(same).all(0)


def targets(labels: Tensor, asked: Questions) -> Tensor:
    """What each place should say (b, q) by labels (b, l); -100 where nothing is asked for.

    Raises `ReasonError` for rows that are no question with an answer of at most its length.
    """
    places = asked.places
    trained = labels != IGNORED
    at = torch.arange(labels.shape[1], device=labels.device)
    begin = torch.where(trained, at, labels.shape[1]).amin(1)
    count = trained.sum(1)
    whole = torch.where(trained, at + 1, 0).amax(1) - begin == count
    if bool(((count > 0) & ~whole).any()):
        raise ReasonError("a row has several answers, and trm-puzzle gives one", "leave conversations out")
    if bool((count > asked.length + 1).any()):
        row = int((count - asked.length).argmax())
        raise ReasonError(
            f"an answer of {int(count[row]) - 1} tokens is longer than its question of {int(asked.length[row])}, and "
            "trm-puzzle writes one over the other",
            "train it on grids, such as sudoku or maze, with --style plain",
        )
    columns = (begin[:, None] + places).clamp(max=labels.shape[1] - 1)
    return torch.where(places < count[:, None], labels.gather(1, columns), IGNORED)
