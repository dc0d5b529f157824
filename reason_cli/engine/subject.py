"""What is evaluated: a checkpoint's model on its device, with its tokenizer.

Of a model's `generation_config.json` the end tokens alone are used. Its sampling defaults (temperature, top_k, top_p,
repetition_penalty) would change even greedy answers, and figures would not be comparable between models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import Architecture
from reason_cli.config import HardwareOptions
from reason_cli.engine import hub, tokenizers
from reason_cli.engine.hardware import Precision, pick_device, pick_precision
from reason_cli.engine.report import hush_libraries
from reason_cli.errors import ReasonError, first_line
from reason_cli.runs import ADAPTER, Checkpoint, is_weights

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True)
class Subject:
    """What is graded: a loaded model with its tokenizer, how it is run, and what `run.toml` says of its data.

    `backend` is what generates; where that is not torch, `model` is what stands in for one there.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    precision: Precision
    checkpoint: str
    trained_on: Sequence[Mapping[str, Any]] = ()
    backend: str = "torch"


def fetch(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with its files in a folder here. Raises `ReasonError` when the hub's cannot be had."""
    if not checkpoint.hub_id:
        return checkpoint
    return replace(checkpoint, path=hub.model(checkpoint.hub_id, checkpoint.revision))


def load_subject(architecture: Architecture, options: Any, hardware: HardwareOptions, path: Path) -> Subject:
    """The model of a checkpoint of a known architecture, in float32. On a CPU `auto` precision is float32.

    Raises `ReasonError` when the weights cannot be read.
    """
    from safetensors import SafetensorError

    hush_libraries()
    device = pick_device(hardware)
    try:
        model = architecture.load(path, options).to(device).eval()  # type: ignore[arg-type]
    except (OSError, SafetensorError) as error:
        raise ReasonError(f"cannot load the weights in {path}: {error}", "pass another checkpoint") from None
    # Only now is a type of model known that is the architecture's own, which the tokenizer is told of in config.json.
    tokenizer = tokenizers.load(str(path))
    keep_ends_alone(model, tokenizer)
    return Subject(model, tokenizer, pick_precision(hardware.precision, device), str(path))


def load_pretrained(id_or_path: str | Path, hardware: HardwareOptions, revision: str = "") -> Subject:
    """Any causal language model that `transformers` knows, from the hub or a folder; an adapter with its base.

    Weights are safetensors, and on a GPU of the precision's own type; no code of a model's repository is run.
    Raises `ReasonError` for what cannot be had, is no causal model, or lacks weights.
    """
    hush_libraries()
    device = pick_device(hardware)
    precision = pick_precision(hardware.precision, device)
    folder = folder_of(id_or_path, revision)
    base = _base_of(folder) if (folder / ADAPTER).is_file() else folder
    own = any((folder / name).is_file() for name in TOKENIZER_FILES)
    tokenizer = tokenizers.load(str(folder if own else base))
    model = _causal_model(base, precision)
    if base != folder:
        _adapt(model, folder, len(tokenizer))
    keep_ends_alone(model, tokenizer)
    return Subject(model.to(device).eval(), tokenizer, precision, str(id_or_path))  # type: ignore[arg-type]


def end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The ids of the tokens that end an answer: the tokenizer's end token and those of the generation config.

    Chat models name several (`<|im_end|>` and `<|endoftext|>`). An id that is no special token of this tokenizer is
    passed over: a default of the configuration's class, left over from another vocabulary.
    """
    config = model.generation_config
    named = config.eos_token_id if config is not None else None
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    ids = [tokenizer.eos_token_id, *(named if isinstance(named, (list, tuple)) else [named])]
    return tuple(dict.fromkeys(i for i in ids if i in special))


def keep_ends_alone(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Leave of a model's generation config what ends an answer."""
    from transformers import GenerationConfig

    ends = list(end_ids(model, tokenizer))
    model.generation_config = GenerationConfig(eos_token_id=ends or None, pad_token_id=tokenizer.pad_token_id)


def generation_config_of(folder: Path) -> GenerationConfig:
    """What names the model's end tokens; nothing where its authors wrote none."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(folder)
    except OSError:
        return GenerationConfig()


def folder_of(id_or_path: str | Path, revision: str = "") -> Path:
    """The folder with a model's files, fetched where the hub has it. Raises `ReasonError` when there is none."""
    folder = Path(id_or_path)
    if not folder.is_dir():
        return hub.model(str(id_or_path), revision)
    if not is_weights(folder):
        raise ReasonError(f"{folder} has no whole safetensors weights", "pass a folder that transformers saved")
    return folder


def _base_of(adapter: Path) -> Path:
    """The folder of the model that an adapter was trained on."""
    try:
        config = json.loads((adapter / ADAPTER).read_text(encoding="utf-8"))
        name, revision = str(config["base_model_name_or_path"]), str(config.get("revision") or "")
    except (OSError, ValueError, TypeError, KeyError):
        raise ReasonError(f"{adapter / ADAPTER} does not name its base model", "pass an adapter of peft's") from None
    try:
        return folder_of(name, revision)
    except ReasonError as error:
        raise ReasonError(f"the base model of {adapter}: {error.message}", error.hint) from None


def _causal_model(folder: Path, precision: Precision) -> PreTrainedModel:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    how: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "output_loading_info": True}
    load: Any = AutoModelForCausalLM.from_pretrained
    try:
        model, told = load(folder, dtype=types[precision.name], **how)
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise ReasonError(
            f"cannot load {folder} as a causal language model: {first_line(error)}", "pass another model"
        ) from None
    missing = sorted(told["missing_keys"])
    if missing:
        raise ReasonError(
            f"the weights in {folder} lack {len(missing):,} tensors of a causal language model, such as {missing[0]}",
            "pass a model with its language modelling head",
        )
    return model


def _adapt(model: PreTrainedModel, adapter: Path, vocabulary: int) -> None:
    """Put peft's adapter onto its base, whose vocabulary grows when tokens were added to it in training."""
    try:
        import peft  # noqa: F401
    except ImportError:
        raise ReasonError(f"{adapter} is an adapter, and peft is not installed", "pip install peft") from None
    if vocabulary > model.get_input_embeddings().num_embeddings:  # type: ignore[operator]
        model.resize_token_embeddings(vocabulary)
    try:
        told = model.load_adapter(str(adapter))
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ReasonError(
            f"cannot put the adapter {adapter} on its base: {first_line(error)}", "pass another adapter"
        ) from None
    if told.missing_keys or told.unexpected_keys:
        wrong = sorted([*told.missing_keys, *told.unexpected_keys])
        raise ReasonError(f"the adapter {adapter} does not fit its base, such as in {wrong[0]}", "pass another adapter")
