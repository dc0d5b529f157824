"""What a base is made of, counted from its configuration on torch's meta device: nothing is loaded or allocated."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli import Estimate, Load, ReasonError, model_folder
from reason_qlora.presets import SHAPES

if TYPE_CHECKING:
    from torch import nn

    from reason_qlora.architecture import QLoraOptions

FLOAT32 = 4  # bytes
# Bytes of a weight: 4 bits, a scale of 8 bits for 64 of them, and for 256 of those one of 32 bits.
NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
INT8 = 1.0
KEPT = 16  # of a token's activations in a block, those of the model's width that its backward pass needs
KEPT_INNER = 4  # and those of the inner width


@dataclass(frozen=True)
class Census:
    """Counts of a base and its adapter. `linear` parameters can be quantised; `width`, `inner`, `layers` are shapes."""

    parameters: int
    linear: int
    adapter: int
    layers: int
    width: int
    inner: int


def config_of(base: str) -> Any:
    """The configuration of a base. Those that presets name are known offline. Raises `ReasonError`."""
    from transformers import AutoConfig

    if base in SHAPES and not Path(base).is_dir():
        shape = dict(SHAPES[base])
        return AutoConfig.for_model(shape.pop("model_type"), **shape)
    try:
        return AutoConfig.from_pretrained(model_folder(base), trust_remote_code=False)
    except ValueError as error:
        raise ReasonError(f"{base} is no model that transformers knows: {error}", "set another model.base") from None


def census_of(options: QLoraOptions, vocab_size: int) -> Census:
    """The counts for a base under options; its vocabulary grows to `vocab_size` where that is larger."""
    return _census(options.base, options.r, options.target_modules, options.train_embeddings, vocab_size)


@lru_cache(maxsize=32)
def _census(base: str, r: int, targets: tuple[str, ...], embeddings: bool, vocab_size: int) -> Census:
    from reason_qlora.base import empty
    from reason_qlora.targets import chosen, linear_layers

    config = config_of(base)
    grown = max(0, vocab_size - config.vocab_size)
    model = empty(config)
    layers = linear_layers(model)
    shapes = [_features(layers[name]) for name in chosen(model, targets)]
    adapter = sum(r * (given + taken) for given, taken in shapes)
    tables = _tables(model)
    rows = sum(table.weight.shape[1] for table in tables)  # parameters of one more token
    whole = sum(parameter.numel() for parameter in model.parameters()) + grown * rows
    if embeddings:
        adapter += sum(table.weight.numel() for table in tables) + grown * rows
    text = config.get_text_config()
    return Census(
        whole + adapter,
        sum(given * taken for given, taken in map(_features, layers.values())),
        adapter,
        text.num_hidden_layers,
        text.hidden_size,
        getattr(text, "intermediate_size", 4 * text.hidden_size),
    )


def _features(layer: nn.Module) -> tuple[int, int]:
    """(inputs, outputs) of a linear layer; transformers' `Conv1D` holds its weight the other way round."""
    rows, columns = layer.weight.shape  # type: ignore[misc]
    return (rows, columns) if hasattr(layer, "nf") else (columns, rows)  # type: ignore[return-value]


def _tables(model: Any) -> list[Any]:
    """The embeddings, and the head where it has weights of its own."""
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    return [embeddings] if head is None or head.weight is embeddings.weight else [embeddings, head]


def estimate(census: Census, options: QLoraOptions, load: Load) -> Estimate:
    """Exact counts; activations by what a Llama's blocks keep, the logits whole as transformers has them."""
    word = 4 if load.precision == "fp32" else 2
    held = {"nf4": NF4, "int8": INT8, "none": word}[_held(options)]
    base = census.parameters - census.adapter
    tokens = load.micro_batch_size * load.length
    block = tokens * word * (KEPT * census.width + KEPT_INNER * census.inner)
    recomputed = load.gradient_checkpointing
    return Estimate(
        parameters=census.parameters,
        trained_parameters=census.adapter,
        flops_per_token=2 * (census.linear + census.adapter + load.vocab_size * census.width),
        weights=int(census.linear * held) + word * (base - census.linear) + FLOAT32 * census.adapter,
        gradients=FLOAT32 * census.adapter,
        activations=tokens * word * census.width * census.layers if recomputed else census.layers * block,
        working=block + (word * census.width * census.inner if _held(options) != "none" else 0),
        logits=tokens * load.vocab_size * (word + 2 * FLOAT32),
    )


def _held(options: QLoraOptions) -> str:
    if options.quantization != "auto":
        return options.quantization
    return "nf4" if importlib.util.find_spec("bitsandbytes") else "none"
