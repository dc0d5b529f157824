"""A causal language model that thinks before it answers: latents, refined by recursion, as a memory in its text.

    the base reads a text up to the trigger (`<think>`)                               its first and last hidden states
    the latents are a function of these                                               `thinker.Thinker`
    they stand before the trigger as embeddings that every later token attends to    through the base's own attention

After "Less is More: Recursive Reasoning with Tiny Networks" (arXiv 2510.04871): recursion by one tiny network, deep
supervision with the answer read off after every step. There it is read from y by a head. Here the base says it, with y
as a memory. Its head reads y as well: a draft, in which the answer is written over the question, the latent of the n-th
token of the one saying the n-th of the other. In training the draft is what each supervision step learns by, and what
follows the trigger is read after the last one; without a draft, or to train a halting head, after each.

A text is thought about once, before its first trigger. The latents move nothing: the trigger and all after it have the
positions that they would have without.

Glossary: b rows, l tokens, e the base's width, v vocabulary; k latents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GenerationMixin, PreTrainedModel
from transformers.utils import ModelOutput

from reason_cli import linear_cross_entropy

from .layout import Layout, thinking
from .puzzle_model import HALT_WEIGHT
from .puzzle_rows import IGNORED
from .remembered import Reading
from .stretches import Stretches
from .thinker import Thinker, Thought
from .trm_config import TRMConfig


@dataclass
class TRMOutput(ModelOutput):
    """`loss`, a scalar; `logits` (b, l, v), None where the loss alone was asked for; the text as far as it was read."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    cache_params: Reading | None = None


@dataclass(frozen=True)
class Wanted:
    """What each column of a `Layout` is to predict (b, n), and how many such targets a mean is over."""

    before: Tensor
    after: Tensor
    items: Tensor | int


class TRMForCausalLM(PreTrainedModel, GenerationMixin):
    """The base with a thinker beside it; without one (`use_trm` false) the base alone, through the same code."""

    config_class = TRMConfig
    supports_gradient_checkpointing = True
    config: TRMConfig

    def __init__(self, config: TRMConfig, base: PreTrainedModel | None = None) -> None:
        """On a base, or, where the config says that its weights are saved too, on a new one that gets them."""
        super().__init__(config)
        self.base = AutoModelForCausalLM.from_config(config.get_text_config()) if base is None else base
        table: Any = self.base.get_input_embeddings()
        self.thinker = Thinker(config, table.embedding_dim, _loudness(table)) if config.use_trm else None
        self.post_init()

    def init_weights(self) -> None:
        """Nothing: the base comes with its weights, and the thinker has drawn its own."""

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """The base's, which knows how it is quantised, and the thinker's."""
        own = self.thinker.parameters() if self.thinker is not None else ()
        return self.base.num_parameters(only_trainable, exclude_embeddings) + sum(p.numel() for p in own)

    def get_input_embeddings(self) -> nn.Module:
        return self.base.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        return self.base.get_output_embeddings()  # type: ignore[return-value]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        cache_params: Reading | None = None,
        use_cache: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: int | Tensor | None = None,
        skip_logits: bool | None = None,
        **kwargs: Any,
    ) -> TRMOutput | tuple:
        """Token ids (b, l) to logits (b, l, v), and with `labels` (b, l) to the loss of the next token.

        `attention_mask` is 0 at padding, wherever it is; with a cache it may span earlier columns too. Labels are
        shifted in here, -100 is not trained. The loss is the mean over trained labels, or their sum over
        `num_items_in_batch`; of what follows the trigger it is in training the mean over supervision steps. With
        `skip_logits` (default: in training) and labels, `logits` is None.
        """
        past = cache_params or Reading.begun(len(input_ids), input_ids.device)
        real = torch.ones_like(input_ids) if attention_mask is None else attention_mask[:, -input_ids.shape[1] :]
        later = thinking(input_ids, self.config.trigger, past.thought) & real.bool() & (self.thinker is not None)
        before, after = Layout.of(real.bool() & ~later, left=False), Layout.of(later, left=True)
        hidden, past = self.read_tokens(input_ids, before, past)
        wanted = None if labels is None else _wanted(labels, real, before, after, num_items_in_batch)
        skips = self.training if skip_logits is None else skip_logits
        if wanted is not None and self.training and skips:
            output = TRMOutput(self.training_loss(hidden, input_ids, before, after, past, wanted))
        else:
            said, past = self.answered(input_ids, after, past)
            loss = None
            if wanted is not None:
                loss = self.loss(hidden, wanted.before, wanted.items) + self.loss(said, wanted.after, wanted.items)
            output = TRMOutput(loss, cache_params=past if use_cache or use_cache is None else None)
            if not (wanted is not None and skips):
                table = hidden.new_zeros(*input_ids.shape, hidden.shape[-1])
                together = after.put(before.put(table, hidden), said)
                keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
                output.logits = self.score(together[:, keep])
        return output.to_tuple() if return_dict is False else output

    # ---- reading

    def read_tokens(self, ids: Tensor, layout: Layout, past: Reading) -> tuple[Tensor, Reading]:
        """The base's last hidden states (b, n, e) of a layout's tokens, and all that was read then."""
        past = replace(past, seen=past.seen + ids.shape[1])
        if not layout.width:
            return self.get_input_embeddings()(ids[:, :0]), past
        positions = past.count[:, None] + layout.real.cumsum(1) - 1
        embeddings = self.get_input_embeddings()(layout.take(ids))
        hidden, past = self.read(embeddings, layout.real, positions.clamp(min=0), past)
        past = replace(past, count=past.count + layout.real.sum(1))
        wanted = not bool(past.thought.all())
        if self.thinker is None or not wanted:
            return hidden, past
        return hidden, past.with_states(self.thinker.states(embeddings, hidden), layout.take(ids), layout.real)

    def read(self, embeddings: Tensor, real: Tensor, positions: Tensor, past: Reading) -> tuple[Tensor, Reading]:
        """Embeddings (b, n, e) after all that was read: hidden states (b, n, e), and what was read then.

        Where activations are recomputed there is no cache, and all is read again.
        """
        decoder: Any = self.base.get_decoder()
        slots = torch.cat([past.real, real], 1)
        if not self._recomputes:
            keys = past.keys_to_extend()
            hidden = decoder(
                inputs_embeds=embeddings,
                attention_mask=slots.long(),
                position_ids=positions,
                past_key_values=keys,
                use_cache=True,
            ).last_hidden_state
            return hidden, replace(past, keys=keys, real=slots)
        if past.trail is not None:
            embeddings = torch.cat([past.trail[0], embeddings], 1)
            positions = torch.cat([past.trail[1], positions], 1)
        hidden = decoder(
            inputs_embeds=embeddings, attention_mask=slots.long(), position_ids=positions, use_cache=False
        ).last_hidden_state
        return hidden[:, -real.shape[1] :], replace(past, real=slots, trail=(embeddings, positions))

    @property
    def _recomputes(self) -> bool:
        return self.training and self.base.is_gradient_checkpointing

    def read_after(
        self, thought: Thought, stretches: Stretches, ids: Tensor, after: Layout, past: Reading
    ) -> tuple[Tensor, Reading]:
        """Latents, then the trigger and what follows it: hidden states (b, n, e) of the tokens.

        A latent has the position of the token that says the one which it drafts.
        """
        memory = self.memory(thought)
        tokens = self.get_input_embeddings()(after.take(ids))
        embeddings = torch.cat([memory.to(tokens.dtype), tokens], 1)
        begins = after.real.any(1)  # the rows that think
        real = torch.cat([begins[:, None].expand(-1, memory.shape[1]), after.real], 1)
        places = torch.arange(after.width, device=ids.device).expand_as(after.real)
        positions = past.count[:, None] + torch.cat([stretches.middle, places], 1)
        hidden, past = self.read(embeddings, real, positions, past)
        past = replace(past, count=past.count + after.real.sum(1), thought=past.thought | begins)
        return hidden[:, memory.shape[1] :], past.forgotten()

    def memory(self, thought: Thought) -> Tensor:
        """What stands before the trigger (b, k, e): y, and with it the tokens that it drafts, each by its probability.

        These are told, not trained: the draft learns by its own loss alone.
        """
        assert self.thinker is not None
        own = self.thinker.memory(thought.y)
        if self.thinker.draft_proj is None:
            return own
        table: Any = self.get_input_embeddings()
        # Not under `no_grad`, by which autocast would keep the rounded weights without gradients.
        chances = self.score(self.thinker.draft_proj(thought.y)).softmax(-1)
        return own + (chances.detach() @ table.weight.detach().float()).to(own.dtype)

    def question(self, past: Reading, answer: Tensor | None = None) -> tuple[Tensor, Stretches]:
        """x: what was asked, compressed, and what each latent is of. Hints are of the answer (b, n)."""
        assert self.thinker is not None
        states: Any = self.get_input_embeddings()(past.tokens).float() if past.states is None else past.states
        stretches = Stretches.of(past.tokens, past.states_real, self.config)
        if answer is not None and self.config.hints:
            states = states + self.hints(stretches, past.tokens, answer)
        return self.thinker.compress(states, stretches), stretches

    def hints(self, stretches: Stretches, tokens: Tensor, answer: Tensor) -> Tensor:
        """What makes of states those of the answer's tokens (b, s, e), in a random part of some rows' questions."""
        assert self.thinker is not None
        drawn = torch.rand(len(tokens), 1, device=tokens.device)
        share = torch.where(drawn < self.config.hints, drawn / self.config.hints, 0.0)  # (b, 1), of a row's tokens
        known = answer.gather(1, stretches.place.clamp(0, answer.shape[1] - 1))  # (b, s)
        shown = stretches.inside & (stretches.place < answer.shape[1]) & (known != IGNORED)
        shown = shown & (torch.rand(tokens.shape, device=tokens.device) < share)
        told, asked = (self.thinker.norm(self.get_input_embeddings()(ids)) for ids in (known.clamp(min=0), tokens))
        return (told - asked) * shown[..., None]

    def answered(self, ids: Tensor, after: Layout, past: Reading) -> tuple[Tensor, Reading]:
        """The hidden states after the last supervision step, outside of training; none where nothing is thought of."""
        if self.thinker is None or not after.width:
            return self.get_input_embeddings()(ids[:, :0]), past
        x, stretches = self.question(past)
        *_, last = self.thinker.thoughts(x)
        return self.read_after(last, stretches, ids, after, past)

    # ---- losses

    def training_loss(
        self, hidden: Tensor, ids: Tensor, before: Layout, after: Layout, past: Reading, wanted: Wanted
    ) -> Tensor:
        """The loss of what stands before the trigger, and means over supervision steps: of the loss of what follows,
        where it is read, and of the draft's.
        """
        loss = self.loss(hidden, wanted.before, wanted.items)
        if self.thinker is None:
            return loss
        if not after.width:
            # Gradients of zero rather than none: processes that train together all have to have them.
            return loss + 0.0 * sum(parameter.sum() for parameter in self.thinker.parameters())
        x, stretches = self.question(past, wanted.after)
        thoughts = list(self.thinker.thoughts(x))
        read = [self.read_loss(one, stretches, ids, after, past, wanted) for one in thoughts[self._unread :]]
        drafted = [self.draft_loss(one, stretches, wanted) for one in thoughts]
        return loss + torch.stack(read).mean() + torch.stack(drafted).mean()

    @property
    def _unread(self) -> int:
        """How many supervision steps have a draft to learn by, so that what follows need not be read after them."""
        config = self.config
        return 0 if config.halting or not config.draft else config.n_supervision_steps - 1

    def read_loss(
        self, thought: Thought, stretches: Stretches, ids: Tensor, after: Layout, past: Reading, wanted: Wanted
    ) -> Tensor:
        """What the base says after a thought, and whether the halting head knew if all of it is right.

        The head's loss is a mean over rows, so it joins in the share that the targets here are of all items.
        """
        said, _ = self.read_after(thought, stretches, ids, after, past)
        loss = self.loss(said, wanted.after, wanted.items)
        if thought.halt is None:
            return loss
        told = F.binary_cross_entropy_with_logits(thought.halt, self.right(said, wanted.after).float())
        return loss + HALT_WEIGHT * told * (wanted.after != IGNORED).sum() / wanted.items

    def draft_loss(self, thought: Thought, stretches: Stretches, wanted: Wanted) -> Tensor:
        """What y says by itself: each latent the token after the trigger whose number its own has in the question."""
        assert self.thinker is not None
        if self.thinker.draft_proj is None:
            return thought.y.new_zeros(())
        targets = F.pad(wanted.after, (0, 1), value=IGNORED)
        drafted = targets.gather(1, stretches.middle.clamp(max=targets.shape[1] - 1))
        return self.config.draft * self.loss(self.thinker.draft_proj(thought.y), drafted, wanted.items)

    def loss(self, hidden: Tensor, targets: Tensor, items: Tensor | int) -> Tensor:
        """The summed cross-entropy of hidden states (b, n, e) and targets (b, n), over so many items."""
        chosen = targets != IGNORED
        hidden, targets = hidden[chosen], targets[chosen]
        head = self.get_output_embeddings()
        if type(head) is nn.Linear and head.bias is None and not _scales(self.base.config):
            return linear_cross_entropy(hidden, head.weight, targets) / items
        return F.cross_entropy(self.score(hidden), targets, reduction="sum") / items

    @torch.no_grad()
    def right(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Of each row (b,): whether the likeliest token is the target wherever there is one."""
        rows = [
            (self.score(one[target != IGNORED]).argmax(-1) == target[target != IGNORED]).all()
            for one, target in zip(hidden, targets, strict=True)
        ]
        return torch.stack(rows)

    def score(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., e) to logits (..., v) in float32, as the base has them."""
        head: Any = self.get_output_embeddings()
        logits = head(hidden.to(_dtype(head))).float()
        for name, apply in SCALES.items():
            factor = getattr(self.base.config, name, None)
            logits = logits if factor is None else apply(logits, factor)
        return logits

    # ---- generation

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        """No: a reading is begun at the first forward pass."""
        return False

    def prepare_inputs_for_generation(  # type: ignore[override]
        self,
        input_ids: Tensor,
        cache_params: Reading | None = None,
        attention_mask: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """What one step of `generate` feeds to `forward`: the tokens that were not read yet."""
        new = input_ids if cache_params is None else input_ids[:, min(cache_params.seen, input_ids.shape[1] - 1) :]
        return {
            "input_ids": new,
            "attention_mask": attention_mask,
            "cache_params": cache_params,
            "use_cache": use_cache,
            "logits_to_keep": kwargs.get("logits_to_keep", 0),
        }


# What some bases do to their logits, by the key of their config: Gemma's cap, Granite's and Cohere's factor.
SCALES = {
    "final_logit_softcapping": lambda logits, cap: cap * torch.tanh(logits / cap),
    "logits_scaling": lambda logits, factor: logits / factor,
    "logit_scale": lambda logits, factor: logits * factor,
}


def _scales(config: Any) -> bool:
    return any(getattr(config, name, None) is not None for name in SCALES)


def _dtype(head: Any) -> torch.dtype:
    weight = head.weight
    return weight.dtype if weight.is_floating_point() else torch.get_default_dtype()


@torch.no_grad()
def _loudness(table: Any) -> float:
    """The root mean square of a table of embeddings; 1 where its weights are yet to come."""
    if table.weight.is_meta:
        return 1.0
    return float(table.weight.float().square().mean().sqrt())


def _wanted(labels: Tensor, real: Tensor, before: Layout, after: Layout, items: Tensor | int | None) -> Wanted:
    """What each token is to predict: the label of the next column, and padding predicts nothing."""
    targets = F.pad(labels[:, 1:], (0, 1), value=IGNORED).masked_fill(real == 0, IGNORED)
    placed = [layout.take(targets).masked_fill(~layout.real, IGNORED) for layout in (before, after)]
    if items is None:
        items = (targets != IGNORED).sum().clamp(min=1)
    return Wanted(placed[0], placed[1], items.to(labels.device) if isinstance(items, Tensor) else items)
