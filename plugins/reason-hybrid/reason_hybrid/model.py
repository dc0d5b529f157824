"""The hybrid: in each layer a Mamba block, hierarchical attention, a recursive processor, and their fusion.

    m = mamba(norm(x))                          a selective state space, reason_mamba's
    a = attention(norm(x + m))                  tokens, pairs and fours of them, through sliding windows
    r = gate_1 T(s_0) + gate_2 T(s_1) + ...     one transform T again and again, on s_0 = x + m + a
    x = x + norm(W [m; a + r])                  fusion and residual

Causal everywhere, linear in length, and what is kept per generated token is of one size. Whatever is left out (no
attention, no recursion, one scale, no gates) is an option.

Glossary: as `reason_mamba.model`'s, and k passes of the recursion, f its inner width.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from reason_mamba.cache import MambaCache
from reason_mamba.model import (
    IGNORED,
    MambaForCausalLM,
    MambaMixer,
    MambaModel,
    MambaPreTrainedModel,
)
from reason_mamba.scan import ScanEngine
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer

from .attention import HierarchicalAttention, Place, onward_of, rotation, step_of
from .cache import HybridCache
from .config import HybridConfig
from .layout import layout_of

FUSED = 0.1  # what a layer adds to the residual stream at the start, as its root mean square
DEPTH_STD = 0.02
GATE_BIAS = 1.0  # gates begin at 0.73


class RecursiveProcessor(nn.Module):
    """One transform, two layers with one set of weights, applied several times.

    Each pass reads the state so far with an embedding of its number, and adds to it as far as its gate, computed per
    token, lets it: state = state + gate * transform(norm(state) + depth).
    """

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        d, f, k = config.hidden_size, config.recursion_size, config.max_recursion_depth
        self.passes, self.threshold = k, config.adaptive_depth
        self.norm = nn.LayerNorm(d, config.layer_norm_epsilon, bias=False)
        self.depth = nn.Embedding(k, d)
        self.gate = nn.Linear(d, k) if config.depth_gate else None
        self.in_proj = nn.Linear(d, f, bias=False)
        self.out_proj = nn.Linear(f, d, bias=False)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """state (b, l, d) to what the passes added to it, and in training the mean depth, the sum of the gates."""
        start, depth = state, state.new_zeros(())
        for number in range(self.passes):
            weight = self.norm.weight
            x = F.layer_norm(state.to(weight.dtype), weight.shape, weight, self.depth.weight[number], self.norm.eps)
            if self.gate is None:
                state, depth = state + self.transform(x), depth + 1
                continue
            one = slice(number, number + 1)
            gate = torch.sigmoid(F.linear(x, self.gate.weight[one], self.gate.bias[one]))  # (b, l, 1)
            if self.training or not self.threshold:
                state = add_gated(state, gate, self.transform(x))
            else:
                gate = gate * (gate >= self.threshold)
                state = self.where_open(state, gate, x)
            depth = depth + gate.mean() if self.training else depth
        return state - start, depth

    def transform(self, x: Tensor) -> Tensor:
        """x (..., d) to (..., d)."""
        return self.out_proj(F.silu(self.in_proj(x)))

    def where_open(self, state: Tensor, gate: Tensor, x: Tensor) -> Tensor:
        """A pass for the tokens alone whose gate is not zero."""
        captured = gate.device.type == "cuda" and torch.cuda.is_current_stream_capturing()
        if captured or torch.jit.is_tracing() or torch.compiler.is_compiling():
            return add_gated(state, gate, self.transform(x))  # a graph cannot wait for how many they are
        rows = gate.flatten().nonzero().squeeze(-1)
        if len(rows) == gate.numel():
            return add_gated(state, gate, self.transform(x))
        flat = state.flatten(0, -2)
        if len(rows):
            added = gate.flatten()[rows, None] * self.transform(x.flatten(0, -2)[rows])
            flat = flat.index_add(0, rows, added.to(flat.dtype))
        return flat.view_as(state)


def add_gated(state: Tensor, gate: Tensor, added: Tensor) -> Tensor:
    """state (..., d) + gate (..., 1) * added (..., d), in the dtype of the state."""
    return torch.addcmul(state, gate.to(state.dtype), added.to(state.dtype))


class HybridBlock(GradientCheckpointingLayer):
    """One layer, as at the top of this file."""

    def __init__(self, config: HybridConfig, layer: int) -> None:
        super().__init__()
        d, eps = config.hidden_size, config.layer_norm_epsilon
        self.residual_in_fp32 = config.residual_in_fp32
        self.norm = nn.LayerNorm(d, eps, bias=False)
        self.mixer = MambaMixer(config, layer)
        self.attention_norm = nn.LayerNorm(d, eps, bias=False) if config.n_scale else None
        self.attention = HierarchicalAttention(config, layer) if config.n_scale else None
        self.recursion = RecursiveProcessor(config) if config.max_recursion_depth else None
        self.fusion = nn.Linear(2 * d, d, bias=False)
        self.fusion_norm = nn.LayerNorm(d, eps, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        hidden: Tensor,
        engine: ScanEngine,
        mask: Tensor | None,
        positions: Tensor | None,
        cache: HybridCache | None,
        place: Place | None,
    ) -> tuple[Tensor, Tensor]:
        """hidden (b, l, d) to (b, l, d), and the mean depth of its recursion."""
        hidden = hidden.float() if self.residual_in_fp32 else hidden
        mixed = self.mixer(self.norm(hidden.to(self.norm.weight.dtype)), engine, mask, positions, cache)
        state, beside, depth = hidden + mixed, torch.zeros_like(mixed), hidden.new_zeros(())
        if self.attention is not None and self.attention_norm is not None and place is not None:
            beside = self.attention(self.attention_norm(state), place, cache)
            state = state + beside
        if self.recursion is not None:
            added, depth = self.recursion(state)
            beside = beside + added
        fused = self.fusion_norm(self.fusion(torch.cat([mixed, beside.to(mixed.dtype)], dim=-1)))
        return hidden + self.dropout(fused), depth


class HybridPreTrainedModel(MambaPreTrainedModel):
    """What the backbone and the language model share: config, initialisation."""

    config_class = HybridConfig
    _no_split_modules = ["HybridBlock"]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
        if isinstance(module, HierarchicalAttention):
            init.normal_(module.nothing, std=DEPTH_STD)
        elif isinstance(module, HybridBlock):
            init.constant_(module.fusion_norm.weight, FUSED)
        elif isinstance(module, RecursiveProcessor):
            init.normal_(module.depth.weight, std=DEPTH_STD)
            bound = 1 / math.sqrt(module.out_proj.in_features * module.passes)
            init.uniform_(module.out_proj.weight, -bound, bound)
            if module.gate is not None:
                init.zeros_(module.gate.weight)
                init.constant_(module.gate.bias, GATE_BIAS)


class HybridModel(HybridPreTrainedModel, MambaModel):
    """The backbone: embeddings, layers, final norm. `depths` are the mean depths of the layers in the last forward pass
    in training.
    """

    block = HybridBlock
    cache = HybridCache

    def __init__(self, config: HybridConfig) -> None:
        super().__init__(config)
        self.depths: list[Tensor] = []
        self._depth_sum: Tensor | None = None
        self._depth_count = 0

    def through(
        self,
        hidden: Tensor,
        engine: ScanEngine,
        mask: Tensor | None,
        positions: Tensor | None,
        cache: MambaCache | None,
    ) -> Any:
        """hidden (b, l, d) after each layer in turn."""
        place = self.place(hidden, mask, positions, cache)
        depths = []
        for layer in self.layers:
            hidden, depth = layer(hidden, engine, mask, positions, cache, place)
            depths.append(depth)
            yield hidden
        if isinstance(cache, HybridCache) and cache.lengths is not None:
            cache.lengths += hidden.shape[1] if place is None or place.lengths is None else place.lengths
        if self.training:
            seen = [depth.detach().float() for depth in depths]
            self.depths = depths if self.config.ponder_cost else seen  # a graph is not held on to for nothing
            now = torch.stack(seen)
            self._depth_sum = now if self._depth_sum is None else self._depth_sum + now
            self._depth_count += 1

    def depth(self) -> Tensor:
        """The mean depth of the last forward pass in training, summed over the layers."""
        return torch.stack(self.depths).sum()

    def take_depths(self) -> dict[str, float]:
        """The mean depth of each layer over the training passes since this was last asked; none without gates."""
        total, count = self._depth_sum, self._depth_count
        self._depth_sum, self._depth_count = None, 0
        if total is None or not (self.config.depth_gate and self.config.max_recursion_depth):
            return {}
        return {f"depth_layer_{i}": depth for i, depth in enumerate((total / count).tolist())}

    def place(
        self, hidden: Tensor, mask: Tensor | None, positions: Tensor | None, cache: MambaCache | None
    ) -> Place | None:
        """What the attention of all layers shares; None where there is none."""
        config: Any = self.config
        if not config.n_scale:
            return None
        layout = layout_of(mask, positions, hidden.shape[:2])
        length = hidden.shape[1] if layout is None else layout.source.shape[1]
        at, begins = torch.arange(length, device=hidden.device)[None], True
        step, onward = None, None
        if isinstance(cache, HybridCache):
            lengths, begins = cache.started(config, hidden), cache.seen == 0
            at = at + lengths[:, None]
        real = layout.lengths if layout is not None else None if mask is None else (mask > 0).sum(1)
        if isinstance(cache, HybridCache) and cache.lengths is not None and not begins:
            if cache.steps_in_place(0, hidden, mask):
                step = step_of(cache.lengths, config)
            else:
                after = cache.lengths + (length if real is None else real)
                onward = onward_of(cache.lengths, 0, after, length, config)
        cos, sin = rotation(at, config.head_dim, config.rope_theta)
        return Place(layout, at, cos, sin, begins, real, step, onward)


class HybridForCausalLM(HybridPreTrainedModel, MambaForCausalLM):
    """The language model: the backbone and a head over the vocabulary, tied to the embeddings by default."""

    backbone_class = HybridModel
    backbone: HybridModel

    def set_adaptive_depth(self, threshold: float) -> None:
        """Outside of training, skip passes of the recursion whose gate is under `threshold`."""
        self.config.adaptive_depth = threshold
        for module in self.modules():
            if isinstance(module, RecursiveProcessor):
                module.threshold = threshold

    def training_loss(self, hidden: Tensor, targets: Tensor, items: int | Tensor | None) -> Tensor:
        """The loss of the next token, and in training `ponder_cost` times the mean depth of all layers.

        Where the loss is a sum over `items`, the latter joins in the share that the targets here are of those.
        """
        loss = super().training_loss(hidden, targets, items)
        if not (self.training and self.config.ponder_cost):
            return loss
        share = 1.0 if items is None else (targets != IGNORED).sum() / items
        return loss + self.config.ponder_cost * share * self.backbone.depth()


AutoModelForCausalLM.register(HybridConfig, HybridForCausalLM)
