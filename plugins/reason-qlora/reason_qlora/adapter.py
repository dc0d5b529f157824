"""The adapter on a base: made new, or loaded from a folder in peft's layout."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli import ReasonError, same_model
from reason_qlora.base import load_base
from reason_qlora.targets import chosen

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from reason_qlora.architecture import QLoraOptions

CONFIG = "adapter_config.json"


def add_adapter(model: PreTrainedModel, options: QLoraOptions) -> None:
    """Put a new adapter on a frozen base. Where tokens were added to the base's, peft saves its embeddings too."""
    from peft import LoraConfig

    whole = ["embed_tokens", "lm_head"] if options.train_embeddings else None
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=options.r,
        lora_alpha=options.lora_alpha,
        lora_dropout=options.lora_dropout,
        target_modules=chosen(model, options.target_modules),
        modules_to_save=_tables(model, whole),
        bias="none",
    )
    model.add_adapter(config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def _tables(model: Any, asked: list[str] | None) -> list[str] | None:
    """The names of the embeddings and of a head of its own, where they are asked for."""
    if asked is None:
        return None
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    wanted = [embeddings] if head is None or head.weight is embeddings.weight else [embeddings, head]
    return [name.rpartition(".")[2] for name, module in model.named_modules() if any(module is w for w in wanted)]


def load_adapter(path: Path, options: QLoraOptions) -> PreTrainedModel:
    """The base of an adapter, held as the options say, and the adapter on it.

    Raises `ReasonError` when the options name another base than the adapter was trained on, or it does not fit.
    """
    own = base_of(path)
    if options.base and not same_model(options.base, own):
        raise ReasonError(
            f"the adapter {path} was trained on {own}, not on {options.base}", "leave model.base out", usage=True
        )
    model = load_base(replace(options, base=options.base or own), _vocabulary(path))
    try:
        told: Any = model.load_adapter(str(path))
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        first = str(error).strip().splitlines()[0]
        raise ReasonError(f"cannot put the adapter {path} on {model.name_or_path}: {first}", "pass another") from None
    wrong = sorted([*told.missing_keys, *told.unexpected_keys]) if told is not None else []
    if wrong:
        raise ReasonError(
            f"the adapter {path} does not fit {model.name_or_path}, such as in {wrong[0]}", "pass another"
        )
    return model


def base_of(path: Path) -> str:
    """The base that an adapter was trained on, as its folder names it. Raises `ReasonError`."""
    try:
        return str(json.loads((path / CONFIG).read_text(encoding="utf-8"))["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ReasonError(f"{path} holds no adapter: {CONFIG} names no base", "pass a run of `--arch qlora`") from None


def _vocabulary(path: Path) -> int:
    """The tokens of the tokenizer beside an adapter; 0 where there is none."""
    from transformers import AutoTokenizer

    if not (path / "tokenizer_config.json").is_file():
        return 0
    return len(AutoTokenizer.from_pretrained(path, trust_remote_code=False))


def trained(model: PreTrainedModel) -> str:
    """How many parameters an adapter trains, of how many."""
    count = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return f"{count:,} parameters trained ({count / max(1, model.num_parameters()):.2%})"
