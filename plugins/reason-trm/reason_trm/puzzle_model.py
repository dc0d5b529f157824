"""The tiny recursive model on grid puzzles (arXiv 2510.04871), as a `transformers` model.

    x                       the question's tokens and places, embedded; the answer is never an input
    y, z                    the answer and the thought so far, a vector for each place, each begun from one of its own
    deep recursion          `recursion.deep_recursion`, by one tiny network of two layers that sees all places
    supervision step        a deep recursion, the answer read from y; y and z go on to the next without gradients

Trained on the mean of the losses of all supervision steps, in one forward pass. It answers all places at once: no token
of an answer depends on another that was said before it.

Glossary: b rows, q places of the longest question, d width, h heads, v vocabulary; `puzzle_rows` says which place is
which token's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import ModelOutput

from reason_cli import ReasonError

from .puzzle_config import PuzzleConfig
from .puzzle_rows import IGNORED, Questions, questions, targets
from .recursion import deep_recursion

HALT_BIAS = -2.0  # an answer is held to be wrong until the head has learned better
HALT_WEIGHT = 0.5  # of the halting head's loss, the paper's


@dataclass
class PuzzleOutput(ModelOutput):
    """`loss`, a scalar, and `logits` (b, l, v), None in training with labels."""

    loss: Tensor | None = None
    logits: Tensor | None = None


@dataclass(frozen=True)
class Step:
    """What a supervision step says: logits (b, q, v), and of each row that it is right (b,), a logit; None: no head."""

    logits: Tensor
    halt: Tensor | None


class Block(GradientCheckpointingLayer):
    """Attention over all places and a gated MLP, each normalised after its residual, as in the paper's code."""

    def __init__(self, config: PuzzleConfig) -> None:
        super().__init__()
        d, f = config.hidden_size, config.intermediate_size
        self.heads, self.eps = config.num_attention_heads, config.rms_norm_eps
        self.qkv_proj = nn.Linear(d, 3 * d, bias=False)
        self.o_proj = nn.Linear(d, d, bias=False)
        self.up_proj = nn.Linear(d, 2 * f, bias=False)
        self.down_proj = nn.Linear(f, d, bias=False)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """hidden (b, q, d) to (b, q, d); mask (b, 1, 1, q) says which places are seen, None: all."""
        qkv = self.qkv_proj(hidden).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (b, h, q, d / h) each
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        hidden = self.norm(hidden + self.o_proj(seen.transpose(1, 2).flatten(2)))
        gate, up = self.up_proj(hidden).chunk(2, dim=-1)
        return self.norm(hidden + self.down_proj(F.silu(gate) * up))

    def norm(self, hidden: Tensor) -> Tensor:
        """Root mean square 1, no weights."""
        return F.rms_norm(hidden.float(), hidden.shape[-1:], eps=self.eps)


class PuzzleForCausalLM(PreTrainedModel, GenerationMixin):
    """The recursive model. Its name is `transformers`' for what generates; it is not causal."""

    config_class = PuzzleConfig
    supports_gradient_checkpointing = True
    _no_split_modules = ["Block"]
    header: Tensor
    footer: Tensor
    y_start: Tensor
    z_start: Tensor

    def __init__(self, config: PuzzleConfig) -> None:
        super().__init__(config)
        d = config.hidden_size
        self.embeddings = nn.Embedding(config.vocab_size, d)
        self.line_embeddings = nn.Embedding(config.max_positions, d)
        self.column_embeddings = nn.Embedding(config.max_positions, d)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.lm_head = nn.Linear(d, config.vocab_size, bias=False)
        self.halt_head = nn.Linear(d, 1) if config.halting else None
        # No gradient reaches where the recursion begins, so both stay as they were drawn.
        self.register_buffer("y_start", torch.empty(d))
        self.register_buffer("z_start", torch.empty(d))
        self.gradient_checkpointing = False
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Every vector that enters the recursion begins with entries of about 1, as the norms leave them."""
        if isinstance(module, nn.Embedding):
            init.normal_(module.weight)
        elif module is self.halt_head:
            init.zeros_(module.weight)
            init.constant_(module.bias, HALT_BIAS)
        elif isinstance(module, nn.Linear):
            init.trunc_normal_(module.weight, std=module.in_features**-0.5)
        elif module is self:
            init.normal_(self.y_start)
            init.normal_(self.z_start)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings

    def set_input_embeddings(self, new: Any) -> None:
        self.embeddings = new

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, new: Any) -> None:
        self.lm_head = new

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: int | Tensor | None = None,
        **kwargs: Any,
    ) -> PuzzleOutput | tuple:
        """Token ids (b, l) to logits (b, l, v): what the answer says at each token of the question, 0 elsewhere.

        `attention_mask` is 0 at padding, left or right. With `labels` (b, l), -100 at what is given, the answer begins
        at the first label. It is no input: the logits are the same whatever it says. The loss is the mean over labels,
        or their sum over `num_items_in_batch`; in training that of all supervision steps and the halting head, and
        without logits; else the last step's.
        """
        asked = self.questions(input_ids, attention_mask, labels)
        steps = self.steps(self.embedded(input_ids, asked), asked)
        wanted = None if labels is None else targets(labels, asked)
        if self.training and wanted is not None:
            output = PuzzleOutput(loss=self.training_loss(list(steps), wanted, num_items_in_batch))
        else:
            *_, last = steps
            loss = None if wanted is None else answer_loss(last.logits, wanted, num_items_in_batch)
            logits = asked.spread(last.logits, input_ids.shape[1])
            keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            output = PuzzleOutput(loss, logits[:, keep])
        return output.to_tuple() if return_dict is False else output

    def questions(self, ids: Tensor, mask: Tensor | None, labels: Tensor | None = None) -> Questions:
        """Where the questions are. Raises `ReasonError` for one that is too long."""
        header, footer = (ids.new_tensor(side or []) for side in (self.config.header, self.config.footer))
        asked = questions(ids, mask, labels, header, footer)
        longest, limit = int(asked.length.max()) + 1, self.config.max_positions
        if longest > limit:
            problem = f"a question of {longest - 1} tokens does not fit in the {limit} places of this model"
            raise ReasonError(problem, "train one with a higher model.max_seq_len")
        return asked

    def embedded(self, ids: Tensor, asked: Questions) -> Tensor:
        """x (b, q, d): the question alone, and its end."""
        end = self.config.eos_token_id
        tokens = asked.tokens(ids, end[0] if isinstance(end, list) else end or 0)
        lines, columns = grid_places(tokens, self.config.newline)
        return self.embeddings(tokens) + self.line_embeddings(lines) + self.column_embeddings(columns)

    def steps(self, x: Tensor, asked: Questions) -> Iterator[Step]:
        """The supervision steps in turn. With `halt_at_test` a row whose answer is held to be right then keeps it."""
        config = self.config
        count = config.n_supervision_steps
        count = count if self.training else config.steps_at_test or count
        keeps = config.halt_at_test and not self.training
        real = asked.real
        mask = None if bool(real.all()) else real[:, None, None]
        y, z = (start.to(x.dtype).expand_as(x) for start in (self.y_start, self.z_start))
        step: Step | None = None

        def network(hidden: Tensor) -> Tensor:
            for layer in self.layers:
                hidden = layer(hidden, mask)
            return hidden

        with torch.no_grad():
            for _ in range(self.carried()):
                y, z = deep_recursion(network, x, y, z, config.n_latent_steps, config.n_deep_recursions)
        torch.clear_autocast_cache()  # which keeps weights that were rounded without gradients
        for _ in range(count):
            if keeps and step is not None and step.halt is not None and bool((step.halt > 0).all()):
                return
            y, z = deep_recursion(network, x, y, z, config.n_latent_steps, config.n_deep_recursions)
            step = self.read(y, real, step if keeps else None)
            yield step
            y, z = y.detach(), z.detach()

    def carried(self) -> int:
        """How many steps go ahead of those with a loss: in training none half the time, else up to `n_carry_steps`.

        The paper carries y and z from one iteration to the next of up to 16; here rows are not kept that long, and what
        they would have come to is worked out again, by the weights of now.
        """
        most = self.config.n_carry_steps if self.training else 0
        return max(0, int(torch.randint(1 - most, most + 1, ()))) if most else 0

    def read(self, y: Tensor, real: Tensor, before: Step | None) -> Step:
        """What y says; of rows that had halted before, what they said then."""
        logits, halt = self.lm_head(y).float(), None
        if self.halt_head is not None:
            mean = (y * real[..., None]).sum(1) / real.sum(1, keepdim=True)
            halt = self.halt_head(mean).float().squeeze(-1)
            if before is not None and before.halt is not None:
                halted = before.halt > 0
                logits = torch.where(halted[:, None, None], before.logits, logits)
                halt = torch.where(halted, before.halt, halt)
        return Step(logits, halt)

    def training_loss(self, steps: Sequence[Step], wanted: Tensor, items: int | Tensor | None) -> Tensor:
        """The mean over supervision steps of the answer's loss and, with a halting head, of its own.

        The halting head learns whether the answer is right as a whole. Of rows it is a mean, so where the loss is a sum
        over `items` it joins in the share that the targets here are of those.
        """
        losses = []
        trained = wanted != IGNORED
        share = 1.0 if items is None else trained.sum() / items
        for step in steps:
            loss = answer_loss(step.logits, wanted, items)
            if step.halt is not None:
                right = ((step.logits.argmax(-1) == wanted) | ~trained).all(1)
                told = F.binary_cross_entropy_with_logits(step.halt, right.float())
                loss = loss + HALT_WEIGHT * share * told
            losses.append(loss)
        return torch.stack(losses).mean()

    @torch.no_grad()
    def generate(  # type: ignore[override]
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        max_new_tokens: int | None = None,
        do_sample: bool = False,
        logits_processor: Sequence[Any] = (),
        stopping_criteria: Sequence[Any] = (),
        pad_token_id: int | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Prompts (b, l) and after each its answer, until its end token, padded on the right.

        The model runs once; then the tokens are taken in turn, so that processors and criteria see what they are used
        to. Sampling is a processor's to do. After as many tokens as the question has an answer is over.
        """
        if do_sample:
            raise ReasonError("trm-puzzle answers all at once, the likeliest token each", "leave do_sample out")
        asked = self.questions(input_ids, attention_mask)
        *_, last = self.steps(self.embedded(input_ids, asked), asked)
        ends = self._ends(input_ids)
        pad = pad_token_id if pad_token_id is not None else self.config.pad_token_id or 0
        ids, going = input_ids, torch.ones_like(asked.length, dtype=torch.bool)
        most = int(asked.length.max()) + 1
        for place in range(min(most, most if max_new_tokens is None else max_new_tokens)):
            scores = self._ended(last.logits[:, place], place >= asked.length, ends)
            for processor in logits_processor:
                scores = processor(ids, scores)
            said = torch.where(going, scores.argmax(-1), pad)
            ids = torch.cat([ids, said[:, None]], dim=1)
            going = going & ~torch.isin(said, ends)
            for criterion in stopping_criteria:
                going = going & ~criterion(ids, scores)
            if not bool(going.any()):
                break
        return ids

    def _ends(self, like: Tensor) -> Tensor:
        """The ids of the end tokens."""
        named = getattr(self.generation_config, "eos_token_id", None) or self.config.eos_token_id
        return like.new_tensor(named if isinstance(named, list) else [] if named is None else [named])

    @staticmethod
    def _ended(scores: Tensor, over: Tensor, ends: Tensor) -> Tensor:
        """Scores (b, v), where the question is over with the end token alone."""
        if not ends.numel():
            return scores
        only = torch.full_like(scores, float("-inf"))
        only[:, ends[0]] = 0.0
        return torch.where(over[:, None], only, scores)


def grid_places(tokens: Tensor, newline: int | None) -> tuple[Tensor, Tensor]:
    """Line and column (b, q) of tokens (b, q), both counted from 0; a newline is its line's last. None: one line."""
    places = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
    ended = torch.zeros_like(places)
    if newline is not None:
        ended[:, 1:] = tokens[:, :-1] == newline
    lines, last = ended.cumsum(1), tokens.shape[1]
    starts = places.new_zeros(tokens.shape[0], last + 1).scatter(1, torch.where(ended.bool(), lines, last), places)
    return lines, places - starts.gather(1, lines)


def answer_loss(logits: Tensor, wanted: Tensor, items: int | Tensor | None) -> Tensor:
    """Cross-entropy of logits (b, q, v) and targets (b, q): the mean over trained places, or the sum over `items`."""
    total = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum")
    if items is None:
        items = (wanted != IGNORED).sum().clamp(min=1)
    return total / (items.to(total.device) if isinstance(items, Tensor) else items)


AutoModelForCausalLM.register(PuzzleConfig, PuzzleForCausalLM)
