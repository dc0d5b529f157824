"""Does what was written say what the model says? The one check for every format.

Both read the same tokens, in several lengths and batches, padded, in pieces and token by token; their logits are
compared. What is compared is what can be asked of the artefact, see `Exported`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from reason_cli.api import Exported
from reason_cli.engine.report import Reporter, Silent

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LENGTHS = (1, 2, 7, 31, 33, 255, 257, 1000)  # either side of the steps and windows that models are computed in
BATCHES = ((2, 7), (3, 33))  # rows, tokens of each
PADDED = (3, 17, 40)  # tokens of the rows of one batch
PIECES = (1, 32, 5, 1, 31)  # tokens of one row, read in so many calls
SAID = 64  # tokens that are said to each prompt
WORK = len(LENGTHS) + len(BATCHES) + 1 + 4  # texts, and as much again as four of them for what is said


@dataclass(frozen=True)
class Limit:
    """How far an artefact may be off: the largest difference of a logit, as a share of the largest logit (of 1, where
    that is smaller), and the share of said tokens that must be the same.
    """

    difference: float
    agreement: float


# A likeliest token may change in float32 too, where two are as good as equally likely: the difference tells.
LIMITS = {"fp32": Limit(2e-4, 0.95), "fp16": Limit(0.01, 0.9), "bf16": Limit(0.05, 0.8), "int8": Limit(0.2, 0.8)}


@dataclass
class Parity:
    """What was found: the largest difference of each check, the largest logit, how many said tokens are the same."""

    limit: Limit
    differences: dict[str, float] = field(default_factory=dict)
    largest_logit: float = 0.0
    tokens: int = 0
    same_tokens: int = 0

    @property
    def largest(self) -> float:
        """The largest difference of a logit."""
        return max(self.differences.values(), default=0.0)

    @property
    def agreement(self) -> float:
        """The share of tokens, said greedily to the prompts, that are the model's."""
        return self.same_tokens / self.tokens if self.tokens else 1.0

    @property
    def allowed(self) -> float:
        """The largest difference that is no mismatch."""
        return self.limit.difference * max(1.0, self.largest_logit)

    def mismatch(self) -> str:
        """What is wrong, empty where nothing is."""
        for name, difference in self.differences.items():
            if not difference <= self.allowed:  # nor is a NaN
                return f"{name}: logits differ by {difference:.3g}, more than {self.allowed:.3g}"
        if self.agreement < self.limit.agreement:
            return (
                f"{self.agreement:.1%} of the tokens that it says are the model's, {self.limit.agreement:.0%} must be"
            )
        return ""

    def note(self, name: str, ours: Tensor, theirs: Tensor) -> None:
        """Compare logits (..., v) of an artefact, `theirs`, with the model's."""
        difference = float((ours - theirs).abs().max()) if theirs.isfinite().all() else float("nan")
        before = self.differences.get(name, 0.0)
        self.differences[name] = difference if difference != difference else max(before, difference)
        self.largest_logit = max(self.largest_logit, float(ours.abs().max()))

    def as_json(self) -> dict[str, Any]:
        return {
            "largest_difference": self.largest,
            "allowed_difference": self.allowed,
            "largest_logit": self.largest_logit,
            "differences": self.differences,
            "tokens": self.tokens,
            "token_agreement": self.agreement,
        }


@torch.no_grad()
def compare(
    model: PreTrainedModel,
    exported: Exported,
    prompts: Sequence[Sequence[int]],
    padding: int,
    precision: str,
    report: Reporter | None = None,
) -> Parity:
    """Compare them on the tokens of these prompts. `padding` is the id of the token to pad with."""
    found, report = Parity(LIMITS[precision]), report or Silent()
    text = Text(prompts, longest_of(model))
    report.start("comparing", WORK)
    try:
        for done, (name, ids, mask) in enumerate(whole_texts(text, exported, padding)):
            whole(model, exported, name, ids, mask, found)
            report.update(done + 1, {"": f"differs by {found.largest:.2g}"})
        if exported.continues:
            in_pieces(model, exported, text, found)
        said(model, exported, prompts, padding, found)
    finally:
        report.finish()
    return found


def whole(
    model: PreTrainedModel, exported: Exported, name: str, ids: Tensor, mask: Tensor | None, found: Parity
) -> None:
    """A batch that is read at once: all of its logits, and the last alone."""
    ours = logits_of(model, ids, mask)
    theirs, _ = exported.read(ids, mask, None, False)
    real = slice(None) if mask is None else mask.bool()
    found.note(name, ours[real], theirs[real])
    last, _ = exported.read(ids, mask, None, True)
    found.note(f"{name}, last token", ours[:, -1], last[:, 0])


class Text:
    """Tokens to read: those of the prompts again and again, each row from another place."""

    def __init__(self, prompts: Sequence[Sequence[int]], longest: int) -> None:
        self._tokens = torch.tensor([token for prompt in prompts for token in prompt])
        self._next, self.longest = 0, longest

    def row(self, length: int) -> Tensor:
        """(length,), no longer than the model's context."""
        length = min(length, self.longest)
        places = (torch.arange(length) + self._next) % len(self._tokens)
        self._next += 5
        return self._tokens[places]

    def rows(self, count: int, length: int) -> Tensor:
        return torch.stack([self.row(length) for _ in range(count)])


def longest_of(model: PreTrainedModel) -> int:
    """The longest text that a model can read; recurrent ones have no limit."""
    config = model.config.get_text_config()
    known = getattr(config, "max_position_embeddings", None)
    return int(known) if known else max(LENGTHS)


def whole_texts(text: Text, exported: Exported, padding: int) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """What is read at once: the name of the check, ids and mask."""
    for length in LENGTHS:
        yield "lengths", text.rows(1, length), None
    for rows, length in BATCHES if exported.batches else ():
        yield "batches", text.rows(rows, length), None
    if exported.batches and exported.pads:
        yield "padding", *pad([text.row(length).tolist() for length in PADDED], padding)


def pad(rows: Sequence[Sequence[int]], padding: int) -> tuple[Tensor, Tensor]:
    """ids and mask (rows, longest), padded on the left."""
    longest = max(map(len, rows))
    ids = torch.tensor([[padding] * (longest - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def logits_of(model: PreTrainedModel, ids: Tensor, mask: Tensor | None = None) -> Tensor:
    """The model's own logits (b, l, v)."""
    mask = torch.ones_like(ids) if mask is None else mask
    return model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()


def in_pieces(model: PreTrainedModel, exported: Exported, text: Text, found: Parity) -> None:
    """A text read in several calls; what was read before stays as it was when more is read after it."""
    ids = text.rows(2 if exported.batches else 1, sum(PIECES))
    ours, begins = logits_of(model, ids), 0
    state: Any = None
    for length in PIECES:
        piece = slice(begins, begins + length)
        theirs, after = exported.read(ids[:, piece], None, state, False)
        again, _ = exported.read(ids[:, piece], None, state, False)
        found.note("pieces", ours[:, piece], theirs)
        found.note("pieces, read twice", theirs, again)
        state, begins = after, begins + length


def said(
    model: PreTrainedModel, exported: Exported, prompts: Sequence[Sequence[int]], padding: int, found: Parity
) -> None:
    """What the model says to prompts, and whether the artefact, given the same so far, says the same next.

    Where it does at every token, it says the same when it is left alone.
    """
    together = exported.batches and exported.pads
    for batch in [prompts] if together else [[prompt] for prompt in prompts]:
        ids, mask = pad(batch, padding)
        text = greedy(model, ids, mask, padding)
        mask = torch.cat([mask, mask.new_ones(len(batch), SAID)], 1)
        ours = logits_of(model, text, mask)[:, ids.shape[1] - 1 : -1]
        theirs = continued(exported, text, mask, ids.shape[1])
        found.note("said", ours, theirs)
        found.tokens += ours.shape[0] * SAID
        found.same_tokens += int((theirs.argmax(-1) == text[:, ids.shape[1] :]).sum())


def greedy(model: PreTrainedModel, ids: Tensor, mask: Tensor, padding: int) -> Tensor:
    """Prompts (b, l) and the likeliest `SAID` tokens after each, whatever ends an answer."""
    from transformers import GenerationConfig

    own, model.generation_config = model.generation_config, GenerationConfig(pad_token_id=padding)
    try:
        how = {"max_new_tokens": SAID, "do_sample": False}
        return model.generate(input_ids=ids, attention_mask=mask, **how)  # type: ignore[operator]
    finally:
        model.generation_config = own


def continued(exported: Exported, text: Tensor, mask: Tensor, prompt: int) -> Tensor:
    """The logits (b, SAID, v) that an artefact gives from the last token of the prompts on, one token at a time."""
    padded = None if bool(mask.all()) else mask
    if not exported.continues:
        logits, _ = exported.read(text, padded, None, False)
        return logits[:, prompt - 1 : -1]
    first = None if padded is None else padded[:, :prompt]
    logits, state = exported.read(text[:, :prompt], first, None, True)
    steps = [logits]
    for column in range(prompt, text.shape[1] - 1):
        logits, state = exported.read(text[:, column : column + 1], None, state, True)
        steps.append(logits)
    return torch.cat(steps, 1)
