"""Loading a base: 4 bit, 8 bit or whole, in the order of `ATTEMPTS`, each that fails named with its reason."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

from reason_cli import ReasonError, model_folder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from reason_qlora.architecture import QLoraOptions

ATTEMPTS = {"auto": ("nf4", "int8", "none"), "nf4": ("nf4",), "int8": ("int8",), "none": ("none",)}
SAID = {"nf4": "4 bit (nf4, doubly quantised)", "int8": "8 bit", "none": "not quantised"}
# bitsandbytes' kernels for CPUs take outputs and inputs in groups of so many alone, and fail at the first evaluation.
CPU_GROUPS = (32, 64)


def empty(config: Any) -> Any:
    """A model of a configuration whose parameters have shapes and no values. Raises `ReasonError`."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config)
    except ValueError as error:
        raise ReasonError(
            f"'{config.model_type}' is no causal language model: {error}", "set another model.base"
        ) from None


def load_base(options: QLoraOptions, vocab_size: int) -> PreTrainedModel:
    """The base as the options say, frozen; its embeddings grow where the tokenizer has more tokens than it.

    `reason_held` says how it is held and what was tried before, `reason_grown` whether they grew. Raises `ReasonError`
    when nothing works.
    """
    hush()
    folder = model_folder(options.base)
    tried: list[str] = []
    for how in ATTEMPTS[options.quantization]:
        try:
            model = _load(folder, options, how)
        except _Unable as error:
            tried.append(f"{how}: {error}")
            continue
        model.name_or_path = options.base
        grows = vocab_size > model.get_input_embeddings().num_embeddings  # type: ignore[operator]
        if grows:
            model.resize_token_embeddings(vocab_size)
        model.reason_grown = grows  # type: ignore[assignment]
        failed = f" ({'; '.join(tried)})" if tried else ""
        model.reason_held = f"{SAID[how]}, {str(model.dtype).removeprefix('torch.')}{failed}"  # type: ignore[assignment]
        return model.requires_grad_(False)
    raise ReasonError(
        f"{options.base} cannot be held as asked: {'; '.join(tried)}",
        "set model.quantization to none, or to auto, which falls back",
    )


class _Unable(Exception):
    """A way to hold a base that does not work here, with the reason."""


def _load(folder: Any, options: QLoraOptions, how: str) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForCausalLM

    cuda = torch.cuda.is_available()
    dtype = _dtype(options.dtype)
    arguments: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "trust_remote_code": False}
    if how != "none":
        arguments["quantization_config"] = _quantized(how, dtype, folder)
    if options.offload and cuda:
        arguments["device_map"] = "auto"
    elif cuda and how != "none":
        arguments["device_map"] = {"": torch.cuda.current_device()}
    load: Any = AutoModelForCausalLM.from_pretrained
    try:
        return load(folder, **arguments)
    except torch.OutOfMemoryError:
        raise _Unable("there is too little memory") from None
    except (ImportError, NotImplementedError, RuntimeError) as error:
        if how == "none":
            raise ReasonError(f"cannot load {options.base}: {_first(error)}", "set another model.base") from None
        raise _Unable(_first(error)) from None
    except (OSError, ValueError) as error:
        raise ReasonError(f"cannot load {options.base}: {_first(error)}", "set another model.base") from None


def _dtype(asked: str) -> torch.dtype:
    import torch

    if asked != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[asked]
    if not torch.cuda.is_available():
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _quantized(how: str, dtype: torch.dtype, folder: Any) -> Any:
    """The configuration of bitsandbytes. Raises `_Unable` where that is missing or cannot run on this device."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and torch.backends.mps.is_available():
        raise _Unable("bitsandbytes does not quantise for Apple's GPUs")
    try:
        import bitsandbytes
    except (ImportError, OSError, RuntimeError) as error:
        raise _Unable(f'bitsandbytes is missing, pip install "reason-cli[qlora]" ({_first(error)})') from None
    from transformers import AutoConfig, BitsAndBytesConfig

    _probe(bitsandbytes, how, device)
    left = _ungrouped(AutoConfig.from_pretrained(folder)) if device == "cpu" else []
    skip = {"llm_int8_skip_modules": ["lm_head", *left]}
    if how == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, **skip)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        **skip,
    )


def _probe(bitsandbytes: Any, how: str, device: str) -> None:
    """A forward and a backward pass of one small layer. Raises `_Unable` with what the library says."""
    import torch

    try:
        if how == "nf4":
            layer = bitsandbytes.nn.Linear4bit(64, 64, quant_type="nf4", compute_dtype=torch.float32)
        else:
            layer = bitsandbytes.nn.Linear8bitLt(64, 64, has_fp16_weights=False)
        with torch.enable_grad():
            x = torch.randn(2, 64, device=device, requires_grad=True)
            layer.to(device)(x).sum().backward()
    except Exception as error:  # each release and platform refuses in its own way
        raise _Unable(f"bitsandbytes cannot on this {device} device ({_first(error)})") from None


def _ungrouped(config: Any) -> list[str]:
    """The last names of linear layers that a CPU's kernels do not take."""
    from reason_qlora.targets import linear_layers

    layers: dict[str, Any] = linear_layers(empty(config))
    uneven = [n for n, one in layers.items() if any(s % g for s, g in zip(one.weight.shape, CPU_GROUPS, strict=True))]
    return sorted({name.rpartition(".")[2] for name in uneven})


def hush() -> None:
    """Call before peft or bitsandbytes are imported: the latter warns of kernels that it does not need."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
