"""The bases that presets name: their shape, so that they can be planned for offline, and what they are tuned with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def _shape(model_type: str, d: int, layers: int, heads: int, kv: int, inner: int, vocab: int, tied: bool) -> dict:
    return {
        "model_type": model_type,
        "hidden_size": d,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "intermediate_size": inner,
        "vocab_size": vocab,
        "tie_word_embeddings": tied,
    }


# From each model's config.json.
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "Qwen/Qwen2.5-1.5B-Instruct": _shape("qwen2", 1536, 28, 12, 2, 8960, 151_936, True),
    "Qwen/Qwen2.5-7B-Instruct": _shape("qwen2", 3584, 28, 28, 4, 18_944, 152_064, False),
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": _shape("llama", 2048, 22, 32, 4, 5632, 32_000, False),
    "HuggingFaceTB/SmolLM3-3B": _shape("smollm3", 2048, 36, 16, 4, 11_008, 128_256, True),
    "mistralai/Mistral-7B-Instruct-v0.3": _shape("mistral", 4096, 32, 32, 8, 14_336, 32_768, False),
}

BASES: Mapping[str, Mapping[str, Any]] = {
    "qwen2.5-1.5b": {"base": "Qwen/Qwen2.5-1.5B-Instruct", "r": 16, "lora_alpha": 32, "lora_dropout": 0.0},
    "tinyllama-1.1b": {
        "base": "TinyLlama/TinyLlama-1.1B-Chat-v1.0", "r": 32, "lora_alpha": 64, "lora_dropout": 0.1,
    },
    "smollm3-3b": {"base": "HuggingFaceTB/SmolLM3-3B", "r": 16, "lora_alpha": 32, "lora_dropout": 0.0},
    "mistral-7b": {
        "base": "mistralai/Mistral-7B-Instruct-v0.3", "r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "offload": True,
    },
    "qwen2.5-7b": {"base": "Qwen/Qwen2.5-7B-Instruct", "r": 16, "lora_alpha": 32, "lora_dropout": 0.0},
}  # fmt: skip

_GSM8K: Mapping[str, Any] = {
    "data.dataset": ("gsm8k@2000",),
    "data.style": "think",
    "data.validation_split": 0.1,
    "train.max_steps": 250,
    "train.micro_batch_size": 2,
    "train.gradient_accumulation_steps": 4,
    "train.learning_rate": 2e-4,
    "train.lr_scheduler": "linear",
    "train.warmup_steps": 50,
    "train.weight_decay": 0.01,
    "train.optimizer": "adamw_8bit",
    "train.seed": 3407,
    "train.save_steps": 50,
    "train.eval_steps": 50,
    "train.keep_checkpoints": 3,
    "train.load_best": "loss",
}

# What each is tuned with unless a profile or a flag says otherwise.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "qwen2.5-1.5b": _GSM8K,
    "smollm3-3b": _GSM8K,
    "qwen2.5-7b": {**_GSM8K, "train.micro_batch_size": 1, "train.gradient_accumulation_steps": 8},
    "mistral-7b": {**_GSM8K, "train.micro_batch_size": 1, "train.gradient_accumulation_steps": 8},
    # Two passes over 9,000 rows, 8 a step, the first twentieth of them to warm up.
    "tinyllama-1.1b": {
        "data.dataset": ("numinamath-cot5m@5000", "gsm8k@3000", "gsm-hard:test@1000"),
        "data.style": "think",
        "train.max_steps": 2_250,
        "train.micro_batch_size": 1,
        "train.gradient_accumulation_steps": 8,
        "train.learning_rate": 1e-4,
        "train.lr_scheduler": "cosine",
        "train.warmup_steps": 112,
        "train.weight_decay": 0.05,
        "train.optimizer": "paged_adamw",
        "train.gradient_checkpointing": True,
        "train.save_steps": 250,
        "train.eval_steps": 250,
    },
}
