"""The architecture `llama`: options, presets, counts. Torch comes in only when a model is built or loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reason_cli import Architecture, ArchitectureOptions, Estimate, Load, ReasonError, option
from reason_llama.cost import model_estimate

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class LlamaOptions(ArchitectureOptions):
    """The shape of a Llama. `vocab_size` is the tokenizer's, the most positions are `max_seq_len`."""

    d_model: int = option(512, "width of the residual stream", minimum=1)
    n_layer: int = option(8, "number of blocks", minimum=1)
    n_head: int = option(8, "query heads, each d_model / n_head wide", minimum=1)
    n_kv_head: int = option(4, "key and value heads, shared by the query heads", minimum=1)
    mlp_expand: float = option(2.667, "inner width of the MLP over d_model, rounded up to 64", minimum=0.01)
    rope_theta: float = option(10_000.0, "base of the rotary positions", minimum=1.0)
    tie_embeddings: bool = option(True, "the head is the table of embeddings")

    def __post_init__(self) -> None:
        """Raises `ReasonError` for heads that do not fit."""
        if self.d_model % (2 * self.n_head):
            problem = f"d_model {self.d_model} is no multiple of twice n_head {self.n_head}"
            raise ReasonError(problem, "a head's width must be whole and even", usage=True)
        if self.n_head % self.n_kv_head:
            problem, mend = f"n_head {self.n_head} is no multiple of n_kv_head {self.n_kv_head}", "set one to fit"
            raise ReasonError(problem, mend, usage=True)

    @property
    def d_inner(self) -> int:
        """Inner width of the MLP."""
        return -(-round(self.mlp_expand * self.d_model) // 64) * 64


# All widths of linear layers are multiples of 64, as bitsandbytes' kernels for CPUs want them.
PRESETS = {
    "llama-tiny": LlamaOptions(d_model=128, n_layer=4, n_head=4, n_kv_head=2),
    "llama-small": LlamaOptions(d_model=384, n_layer=12, n_head=6, n_kv_head=2),
    "llama-medium": LlamaOptions(d_model=768, n_layer=12, n_head=12, n_kv_head=4),
}


class Llama(Architecture):
    """A Llama trained from scratch; its checkpoints are stock `transformers.LlamaForCausalLM` folders."""

    name = "llama"
    help = "a plain transformer of Llama's shape (arXiv 2302.13971), a base that every other tool knows"
    model_type = "llama"
    stock = True
    packs = True
    Options = LlamaOptions
    presets: ClassVar[Mapping[str, LlamaOptions]] = PRESETS

    def tokenizer(self, options: LlamaOptions) -> str:
        """GPT-2's, of 50,257 tokens."""
        return "openai-community/gpt2"

    def build(self, options: LlamaOptions, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
        """A new model in float32."""
        from transformers import LlamaForCausalLM

        config = _config(
            options,
            vocab_size=len(tokenizer),
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        return LlamaForCausalLM(config)

    def load(self, path: Path, options: LlamaOptions) -> PreTrainedModel:
        """The model of a folder. Raises `ReasonError` when it is of another shape than the options say."""
        import torch
        from transformers import LlamaForCausalLM

        model = LlamaForCausalLM.from_pretrained(path, dtype=torch.float32)
        _check_shape(path, _shape(model.config), _shape(_config(options)))
        return model

    def estimate(self, options: LlamaOptions, load: Load) -> Estimate:
        """The exact parameter count, the operations of products and attention, and memory by part."""
        return model_estimate(options, load)


def _config(options: LlamaOptions, **tokens: Any) -> LlamaConfig:
    from transformers import LlamaConfig

    return LlamaConfig(
        hidden_size=options.d_model,
        intermediate_size=options.d_inner,
        num_hidden_layers=options.n_layer,
        num_attention_heads=options.n_head,
        num_key_value_heads=options.n_kv_head,
        max_position_embeddings=options.max_seq_len,
        rope_parameters={"rope_type": "default", "rope_theta": options.rope_theta},
        tie_word_embeddings=options.tie_embeddings,
        **tokens,
    )


def _shape(config: Any) -> dict[str, Any]:
    """What a model computes with, beside its weights, that the options say."""
    return {
        "d_model": config.hidden_size,
        "n_layer": config.num_hidden_layers,
        "n_head": config.num_attention_heads,
        "n_kv_head": config.num_key_value_heads,
        "mlp_expand (inner width)": config.intermediate_size,
        "head width": config.head_dim,
        "positions": config.rope_parameters,
        "tie_embeddings": config.tie_word_embeddings,
        "biases": (config.attention_bias, config.mlp_bias),
        "epsilon of norms": config.rms_norm_eps,
        "activation": config.hidden_act,
    }


def _check_shape(path: Path, found: dict[str, Any], said: dict[str, Any]) -> None:
    """A resumed run builds its model from the options: what they do not say would be lost there."""
    for name, value in said.items():
        if found[name] != value:
            raise ReasonError(
                f"the model in {path} has another {name} ({found[name]}) than the settings of [model] make ({value})",
                "set its sizes with --set model.…, or tune it with --arch qlora",
                usage=True,
            )
