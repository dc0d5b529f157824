"""Mamba: a language model of selective state spaces (arXiv 2312.00752), as a `transformers` model.

The names and shapes of the parameters, the config and the checkpoint are those of `transformers`' own
`MambaForCausalLM`: a folder written by one is read by the other and gives the same logits. Different here are the
scan (fused, on a CPU too), padding (left or right, it changes nothing), packing (a row may hold several documents,
none of which sees another), the cache (several tokens may follow an existing state), the initialisation (mamba-ssm's)
and the loss (only trained positions reach the vocabulary, a chunk at a time).

Glossary, with the paper's letter or mamba-ssm's name and the config's:

    b  batch
    l  length                  L
    d  d_model                 D             hidden_size
    e  d_inner = expand * d    E D           intermediate_size
    n  d_state                 N             state_size
    r  dt_rank                 R             time_step_rank
    k  d_conv                                conv_kernel
    v  vocabulary                            vocab_size

    delta   (b, l, e)  step size: how much of a token enters the state, per channel
    A       (e, n)     how a state decays; not a function of the input
    B, C    (b, l, n)  which state numbers a token writes to and is read from; functions of the input
    D       (e,)       skip connection
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationMixin, MambaConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import ModelOutput

from reason_cli import linear_cross_entropy

from .cache import MambaCache
from .scan import ScanEngine, resolve_engine

EMBEDDING_STD = 0.02  # mamba-ssm's; the stock config's initializer_range, 0.1, is not used
IGNORED = -100  # the label of a position that is not trained


@dataclass
class MambaOutput(ModelOutput):
    """What the backbone gives: `last_hidden_state` (b, l, d), after the final norm."""

    last_hidden_state: Tensor | None = None
    cache_params: MambaCache | None = None
    hidden_states: tuple[Tensor, ...] | None = None


@dataclass
class MambaCausalLMOutput(ModelOutput):
    """What the language model gives: `loss`, a scalar, and `logits` (b, l, v), None in training with labels."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    cache_params: MambaCache | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last dimension, in float32, given back in the dtype of x."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        exact = x.float()
        exact = exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * exact.to(x.dtype)


class StepProjection(nn.Linear):
    """The projection to delta. Its bias is left to the scan, which adds it in float32 before the softplus."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)


class MambaMixer(nn.Module):
    """The selective state space layer (section 3.4, figure 3): project, convolve, scan, gate, project back."""

    def __init__(self, config: MambaConfig, layer: int) -> None:
        super().__init__()
        if config.hidden_act not in ("silu", "swish"):
            raise ValueError(f"hidden_act must be 'silu', as in the paper, not {config.hidden_act!r}")
        self.config, self.layer = config, layer
        d, e, n, k = config.hidden_size, config.intermediate_size, config.state_size, config.conv_kernel
        r = int(config.time_step_rank)
        self.split = [r, n, n]  # what x_proj gives: dt, B, C
        self.in_proj = nn.Linear(d, 2 * e, bias=config.use_bias)
        self.conv1d = nn.Conv1d(e, e, k, groups=e, padding=k - 1, bias=config.use_conv_bias)
        self.x_proj = nn.Linear(e, r + 2 * n, bias=False)
        self.dt_proj = StepProjection(r, e, bias=True)
        self.A_log = nn.Parameter(torch.empty(e, n))
        self.D = nn.Parameter(torch.empty(e))
        self.out_proj = nn.Linear(e, d, bias=config.use_bias)

    def forward(
        self,
        hidden: Tensor,
        engine: ScanEngine,
        mask: Tensor | None,
        positions: Tensor | None,
        cache: MambaCache | None,
    ) -> Tensor:
        """hidden (b, l, d) to (b, l, d). Steps where mask (b, l) is 0 leave the state as it is.

        Where positions (b, l) is 0 a document begins, which sees nothing before it. Not together with a cache.
        """
        if cache is not None and cache.steps_in_place(self.layer, hidden, mask):
            return self.step(hidden.squeeze(1), engine, cache).unsqueeze(1)
        x, z = self.in_proj(hidden).chunk(2, dim=-1)  # (b, l, e) each
        x = self.convolve(x, engine, mask, positions, cache)  # (b, l, e)
        y = self.scan(x, z, engine, mask, positions, cache)  # (b, l, e)
        return self.out_proj(y)  # (b, l, d)

    def convolve(
        self, x: Tensor, engine: ScanEngine, mask: Tensor | None, positions: Tensor | None, cache: MambaCache | None
    ) -> Tensor:
        """The short causal convolution and its SiLU, per channel over the last k steps."""
        k = self.config.conv_kernel
        weight, bias = self.conv1d.weight.squeeze(1), self.conv1d.bias  # (e, k), (e,)
        if cache is None:
            return engine.conv_silu(x, weight, bias, mask, positions)
        joined = cache.roll_conv(self.layer, x, mask, k)  # (b, k - 1 + l, e)
        return engine.conv_silu(joined, weight, bias)[:, k - 1 :]

    def scan(
        self,
        x: Tensor,
        z: Tensor,
        engine: ScanEngine,
        mask: Tensor | None,
        positions: Tensor | None,
        cache: MambaCache | None,
    ) -> Tensor:
        """The selective scan (section 3.2, algorithm 2): delta, B and C are functions of x; gated by silu(z)."""
        dt, B, C = self.x_proj(x).split(self.split, dim=-1)
        delta = self.dt_proj(dt)  # (b, l, e)
        A = -torch.exp(self.A_log.float())  # (e, n), negative: states decay
        y, last = engine.scan(
            x, delta, A, B, C, D=self.D, z=z, delta_bias=unadded_bias(self.dt_proj), delta_softplus=True, mask=mask,
            positions=positions, initial_state=None if cache is None else cache.ssm[self.layer],
        )  # fmt: skip
        if cache is not None:
            cache.ssm[self.layer] = last
        return y

    def step(self, hidden: Tensor, engine: ScanEngine, cache: MambaCache) -> Tensor:
        """`forward` for one token per row: hidden (b, d) to (b, d), the cache's state advanced in place."""
        step, conv, ssm = cache.steps[self.layer], cache.conv[self.layer], cache.ssm[self.layer]
        assert conv is not None and ssm is not None
        if step is None:
            A, bias = -torch.exp(self.A_log.float()), unadded_bias(self.dt_proj)
            step = engine.step(A, self.D, bias, self.conv1d.weight.squeeze(1), self.conv1d.bias)
            cache.steps[self.layer] = step
        x, z = self.in_proj(hidden).chunk(2, dim=-1)  # (b, e) each
        x = step.convolve(x, conv)
        dt, B, C = self.x_proj(x).split(self.split, dim=-1)
        return self.out_proj(step.scan(x, self.dt_proj(dt), B, C, z, ssm))


def unadded_bias(layer: nn.Module) -> Tensor | None:
    """The bias that the step projection left out; None when another layer (quantised, say) stands in and adds it."""
    inner = getattr(layer, "base_layer", layer)  # an adapter keeps the layer it wraps there
    return inner.bias if isinstance(inner, StepProjection) else None


class MambaBlock(GradientCheckpointingLayer):
    """Norm, mixer, dropout, residual (section 3.4)."""

    def __init__(self, config: MambaConfig, layer: int) -> None:
        super().__init__()
        self.residual_in_fp32 = config.residual_in_fp32
        self.norm = RMSNorm(config.hidden_size, config.layer_norm_epsilon)
        self.mixer = MambaMixer(config, layer)
        self.dropout = nn.Dropout(getattr(config, "dropout", 0.0))

    def forward(
        self,
        hidden: Tensor,
        engine: ScanEngine,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: MambaCache | None = None,
    ) -> Tensor:
        """hidden (b, l, d) to (b, l, d)."""
        residual = hidden.float() if self.residual_in_fp32 else hidden
        mixed = self.mixer(self.norm(hidden.to(self.norm.weight.dtype)), engine, mask, positions, cache)
        return residual + self.dropout(mixed)


class MambaPreTrainedModel(PreTrainedModel):
    """What the backbone and the language model share: config, initialisation, the scan engine."""

    config_class = MambaConfig
    base_model_prefix = "backbone"
    supports_gradient_checkpointing = True
    _no_split_modules = ["MambaBlock"]
    _is_stateful = True  # the state cannot be rolled back, so no assisted decoding
    # A state is a long product of numbers near 1: rounding these to 16 bits changes what the model remembers.
    _keep_in_fp32_modules_strict = ["A_log", r"mixer\.D", r"dt_proj\.bias"]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """mamba-ssm's initialisation: PyTorch's own for projections, S4D-real for A (section 3.6)."""
        if isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=EMBEDDING_STD)
        elif isinstance(module, nn.Linear):
            init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Conv1d):
            init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            if module.bias is not None:
                bound = 1 / math.sqrt(self.config.conv_kernel)
                init.uniform_(module.bias, -bound, bound)
        elif isinstance(module, RMSNorm):
            init.ones_(module.weight)
        elif isinstance(module, MambaMixer):
            self._init_mixer(module)

    def _init_mixer(self, mixer: MambaMixer) -> None:
        config = self.config
        A = torch.arange(1, config.state_size + 1, dtype=torch.float32).expand_as(mixer.A_log)
        init.copy_(mixer.A_log, A.log())
        init.ones_(mixer.D)
        bound = config.time_step_scale * int(config.time_step_rank) ** -0.5
        init.uniform_(mixer.dt_proj.weight, -bound, bound)
        # softplus(bias) is spread evenly, on a log scale, between the smallest and the largest step size
        low, high = math.log(config.time_step_min), math.log(config.time_step_max)
        dt = torch.empty_like(mixer.D).uniform_(low, high).exp().clamp(min=config.time_step_floor)
        init.copy_(mixer.dt_proj.bias, dt + torch.log(-torch.expm1(-dt)))
        # each layer adds to the residual stream: keep their sum at the size of one
        bound = (config.intermediate_size * config.num_hidden_layers) ** -0.5
        init.uniform_(mixer.out_proj.weight, -bound, bound)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """`PreTrainedModel.from_pretrained`. Loading replaces parameters, so those without decay are marked anew."""
        loaded = super().from_pretrained(*args, **kwargs)
        _mark_no_decay(loaded[0] if isinstance(loaded, tuple) else loaded)
        return loaded

    def post_init(self) -> None:
        super().post_init()
        _mark_no_decay(self)

    def set_scan_engine(self, name: str = "auto") -> None:
        """Choose what computes the scan: "auto" (by device and what is installed) or an engine's name.

        The choice belongs to this object, not to its config or checkpoint.
        Raises `ReasonError` when there is no such engine or it cannot run on the model's device.
        """
        engine = resolve_engine(name, self.device)
        backbone: Any = self.base_model
        backbone._scan_choice, backbone._scan_resolved = name, (self.device.type, engine)

    @property
    def scan_engine(self) -> ScanEngine:
        """The engine that computes the scan on the model's present device."""
        backbone: Any = self.base_model
        return backbone._engine(self.device)


def _mark_no_decay(model: nn.Module) -> None:
    """Mark as free of weight decay what decay would harm: A_log and D, and every bias and norm as usual."""
    for name, parameter in model.named_parameters():
        if name.endswith(("A_log", ".D", "bias", "norm.weight", "norm_f.weight")):
            parameter._no_weight_decay = True  # type: ignore[attr-defined]


class MambaModel(MambaPreTrainedModel):
    """The backbone: embeddings, blocks, final norm. `block` and `cache` are what another architecture puts in place."""

    block: type[nn.Module] = MambaBlock
    cache: type[MambaCache] = MambaCache

    def __init__(self, config: MambaConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(self.block(config, layer) for layer in range(config.num_hidden_layers))
        self.norm_f = RMSNorm(config.hidden_size, config.layer_norm_epsilon)
        self.gradient_checkpointing = False
        self._scan_choice = "auto"
        self._scan_resolved: tuple[str, ScanEngine] | None = None
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings

    def set_input_embeddings(self, new: Any) -> None:
        self.embeddings = new

    def _engine(self, device: torch.device) -> ScanEngine:
        """The chosen engine, found once per kind of device."""
        if self._scan_resolved is None or self._scan_resolved[0] != device.type:
            self._scan_resolved = (device.type, resolve_engine(self._scan_choice, device))
        return self._scan_resolved[1]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        cache_params: MambaCache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        position_ids: Tensor | None = None,
        **kwargs: Any,
    ) -> MambaOutput | tuple:
        """Token ids (b, l), or embeddings (b, l, d), to hidden states (b, l, d).

        `attention_mask` is 1 at real tokens and 0 at padding, left or right; with a cache it may span earlier columns
        too. `cache_params` is continued in place by any number of tokens. `use_cache` defaults to the config's in
        evaluation and to false in training. `position_ids` (b or 1, l) say only where documents begin, see
        `document_begins`; a row of several documents leaves no state to continue, so it has no cache, and giving or
        asking for one raises ValueError. Further keyword arguments do not matter here.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        hidden = self.embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        positions = document_positions(position_ids, attention_mask, hidden.shape[:2])
        if positions is not None and (use_cache or cache_params is not None):
            raise ValueError("position_ids that begin again leave no state: give no cache_params and use_cache=False")
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training and positions is None
        if use_cache and cache_params is None:
            cache_params = self.cache(len(self.layers))
        if self.training and self.gradient_checkpointing:
            cache_params = None  # recomputing a block would advance its state twice
        mask = padding_mask(attention_mask, hidden.shape[1], keeps_state=cache_params is not None)
        engine = self._engine(hidden.device)

        trail = [hidden]
        for hidden_after in self.through(hidden, engine, mask, positions, cache_params):
            hidden = hidden_after
            if output_hidden_states:
                trail.append(hidden)
        if cache_params is not None:
            cache_params.seen += hidden.shape[1]
        hidden = self.norm_f(hidden.to(self.norm_f.weight.dtype))
        output = MambaOutput(hidden, cache_params, (*trail[:-1], hidden) if output_hidden_states else None)
        return output.to_tuple() if return_dict is False else output

    def through(
        self,
        hidden: Tensor,
        engine: ScanEngine,
        mask: Tensor | None,
        positions: Tensor | None,
        cache: MambaCache | None,
    ) -> Iterator[Tensor]:
        """hidden (b, l, d) after each layer in turn."""
        for layer in self.layers:
            hidden = layer(hidden, engine, mask, positions, cache)
            yield hidden


def padding_mask(attention_mask: Tensor | None, length: int, keeps_state: bool) -> Tensor | None:
    """The mask (b, l) as float32 for the newest `length` columns, or None where it would change nothing.

    It changes nothing when all is real; nor when all padding comes after all real tokens and no state is kept,
    because the model is causal.
    """
    if attention_mask is None:
        return None
    mask = attention_mask[:, -length:]
    if not torch.compiler.is_compiling():  # the shortcuts read values, which a traced graph cannot
        if bool(mask.all()):
            return None
        if not keeps_state and bool(mask[:, 0].all() and (mask[:, 1:] <= mask[:, :-1]).all()):
            return None
    return mask.float()


def document_begins(position_ids: Tensor, attention_mask: Tensor | None, shape: torch.Size) -> Tensor:
    """Whether each step (b, l) begins a document after another one of its row: position 0 says so.

    Padding begins none, and a row's first real token begins none either: before it are only padding, or the columns
    of a cache, which it continues whatever its position.
    """
    begins = F.pad(position_ids[:, 1:] == 0, (1, 0)).expand(shape)
    if attention_mask is None:
        return begins
    real = attention_mask[:, -shape[1] :] != 0
    return begins & real & (real.cumsum(1) > 1)


def document_positions(position_ids: Tensor | None, attention_mask: Tensor | None, shape: torch.Size) -> Tensor | None:
    """How many steps ago each step's document began (b, l); None where no row holds several documents."""
    if position_ids is None:
        return None
    begins = document_begins(position_ids, attention_mask, shape)
    if not torch.compiler.is_compiling() and not bool(begins.any()):  # as in `padding_mask`
        return None
    steps = torch.arange(shape[1], device=begins.device)
    return steps - torch.where(begins, steps, 0).cummax(1).values


class MambaForCausalLM(MambaPreTrainedModel, GenerationMixin):
    """The language model: the backbone and a head over the vocabulary, tied to the embeddings by default."""

    _tied_weights_keys = {"lm_head.weight": "backbone.embeddings.weight"}
    backbone_class: type[MambaModel] = MambaModel

    def __init__(self, config: MambaConfig) -> None:
        super().__init__(config)
        self.backbone = self.backbone_class(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.backbone.embeddings

    def set_input_embeddings(self, new: Any) -> None:
        self.backbone.embeddings = new

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, new: nn.Module) -> None:
        self.lm_head = new

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        cache_params: MambaCache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: int | Tensor | None = None,
        position_ids: Tensor | None = None,
        skip_logits: bool | None = None,
        **kwargs: Any,
    ) -> MambaCausalLMOutput | tuple:
        """Token ids (b, l) to logits (b, l, v), float32, and with `labels` (b, l) to the loss of the next token.

        Labels are shifted in here; -100 is not trained, nor is the first token of a document. The loss is the mean over
        trained labels, or their sum over `num_items_in_batch` when that is given, so that accumulated gradients equal
        those of one large batch.
        **With `skip_logits` (default: in training mode) and labels only trained positions reach the vocabulary, a chunk
        at a time, and `logits` is None.**
        `logits_to_keep` limits the logits to the last so many positions, or to the positions given; 0 keeps all.
        The other arguments are the backbone's.
        """
        outputs = self.backbone(
            input_ids, attention_mask, inputs_embeds, cache_params, use_cache, output_hidden_states,
            position_ids=position_ids, **kwargs,
        )  # fmt: skip
        hidden = outputs.last_hidden_state
        loss: Tensor | None = None
        logits: Tensor | None = None
        targets = None if labels is None else next_tokens(labels, attention_mask, position_ids)  # (b, l - 1)
        if targets is not None and (self.training if skip_logits is None else skip_logits):
            loss = self.training_loss(hidden[:, :-1], targets, num_items_in_batch)
        else:
            logits = self.score(hidden[:, last_positions(logits_to_keep)])
            if labels is not None and targets is not None:
                scores = logits if logits.shape[:2] == labels.shape else self.score(hidden)
                loss = next_token_loss(scores[:, :-1].flatten(0, 1), targets.flatten(), num_items_in_batch)
        output = MambaCausalLMOutput(loss, logits, outputs.cache_params, outputs.hidden_states)
        return output.to_tuple() if return_dict is False else output

    def training_loss(self, hidden: Tensor, targets: Tensor, items: int | Tensor | None) -> Tensor:
        """What training lowers: the loss of hidden states (b, m, d) and targets (b, m), as `forward` says."""
        return trained_loss(self.lm_head, hidden, targets, items)

    def score(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., d) to logits (..., v) in float32."""
        return logits_of(self.lm_head, hidden)

    # ---- generation: one state per row, one token at a time, constant work and memory per token

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        """No: the backbone makes its own cache at the first forward pass."""
        return False

    def prepare_inputs_for_generation(  # type: ignore[override]
        self,
        input_ids: Tensor,
        cache_params: MambaCache | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """What one step of `generate` feeds to `forward`: the tokens that the cache has not seen.

        A prompt with padding anywhere is moved to the right edge first, so that every row continues from its last
        real token; the sequences that `generate` returns keep the prompt as it was given.
        """
        inputs: dict[str, Any] = {"cache_params": cache_params, "use_cache": use_cache}
        inputs["logits_to_keep"] = kwargs.get("logits_to_keep", 0)
        inputs["output_hidden_states"] = kwargs.get("output_hidden_states")
        if cache_params is not None and cache_params.seen:
            return inputs | {"input_ids": input_ids[:, min(cache_params.seen, input_ids.shape[1] - 1) :]}
        tokens = input_ids if inputs_embeds is None else inputs_embeds
        tokens, mask = to_right_edge(tokens, attention_mask)
        return inputs | {"input_ids" if inputs_embeds is None else "inputs_embeds": tokens, "attention_mask": mask}


def to_right_edge(tokens: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Rows (b, l) or (b, l, d) with their padding, where mask (b, l) is 0, moved to the left; and the mask likewise."""
    if mask is None or bool(mask.all()):
        return tokens, None
    order = (mask != 0).to(torch.int8).argsort(dim=1, stable=True)
    columns = order if tokens.dim() == 2 else order.unsqueeze(-1).expand_as(tokens)
    return tokens.gather(1, columns), mask.gather(1, order)


def last_positions(keep: int | Tensor) -> slice | Tensor:
    """The index that keeps the last `keep` positions (0: all), or the positions themselves when given as a tensor."""
    return slice(-keep, None) if isinstance(keep, int) else keep


def next_tokens(labels: Tensor, attention_mask: Tensor | None, position_ids: Tensor | None) -> Tensor:
    """What each position but the last should predict (b, l - 1).

    Padding predicts nothing, as in a row without it, and no document predicts the first token of the next.
    """
    targets = labels[:, 1:]
    if attention_mask is not None:
        targets = targets.masked_fill(attention_mask[:, -labels.shape[1] : -1] == 0, IGNORED)
    if position_ids is not None:
        targets = targets.masked_fill(document_begins(position_ids, attention_mask, labels.shape)[:, 1:], IGNORED)
    return targets


def logits_of(head: nn.Module, hidden: Tensor) -> Tensor:
    """Hidden states (..., d) to logits (..., v) in float32, by whatever stands as the head."""
    weight: Any = head.weight
    return head(hidden.to(weight.dtype)).float()


def trained_loss(head: nn.Module, hidden: Tensor, targets: Tensor, items: int | Tensor | None) -> Tensor:
    """`next_token_loss` of hidden states (b, l, d) and targets (b, l) through a head, in training.

    Only trained positions reach the vocabulary, and a plain `nn.Linear` without a bias gets them in chunks, so that
    their logits are never held whole. What else stands as the head (an adapter, a quantised or sharded layer) is
    called as it is, and under `torch.compile` so is every head: the compiler makes its own kernels.
    """
    trained = targets != IGNORED
    hidden, targets = hidden[trained], targets[trained]  # (m, d), (m,)
    if type(head) is not nn.Linear or head.bias is not None or torch.compiler.is_compiling():
        return next_token_loss(logits_of(head, hidden), targets, items)
    return per_item(linear_cross_entropy(hidden, head.weight, targets), targets, items)


def next_token_loss(logits: Tensor, labels: Tensor, items: int | Tensor | None) -> Tensor:
    """Cross-entropy of logits (m, v) and labels (m,): the mean over trained labels, or the sum over `items`."""
    total = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    return per_item(total, labels, items)


def per_item(total: Tensor, labels: Tensor, items: int | Tensor | None) -> Tensor:
    """A summed loss over `items`, or over the trained labels where that is None."""
    if items is None:
        items = (labels != IGNORED).sum().clamp(min=1)
    return total / (items.to(total.device) if isinstance(items, Tensor) else items)
