"""A base, its LoRA and the thinker as one folder that needs no other, and how far its logits moved on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peft.tuners.tuners_utils import BaseTunerLayer
from reason_qlora import merge as shared
from transformers import AutoTokenizer

from reason_cli import ReasonError

from .trm_architecture import TRM

if TYPE_CHECKING:
    from .trm_architecture import TRMOptions
    from .trm_model import TRMForCausalLM


def merge(checkpoint: Path, output: Path, options: TRMOptions, dtype: str) -> shared.Differences:
    """Write it in `dtype` (`bf16`, `fp16`, `fp32`) with its tokenizer. Raises `ReasonError` where it is whole."""
    whole: Any = shared.in_full(options)
    anywhere: Any = {"base": ""}
    model: Any = TRM().load(checkpoint, whole).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
    if model.config.whole:
        raise ReasonError(f"{checkpoint} holds its base already", "there is nothing to merge")
    adapted = shared.logits(model, tokenizer)
    as_trained = shared.held_as_trained(lambda: TRM().load(checkpoint, options), options, tokenizer)
    unload(model)
    together = shared.logits(model, tokenizer)
    with shared.folder_for(output) as folder:
        model.to(shared.dtype_of(dtype)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        written = TRM().load(folder, replace(options, **anywhere))
        found = shared.compared(adapted, together, shared.logits(written.eval(), tokenizer), as_trained)
        shared.write_facts(folder, checkpoint, model.config.base, found)
    return found


def unload(model: TRMForCausalLM) -> None:
    """Put the LoRA's layers into those of the base, which is saved from now on."""
    for name, layer in list(model.base.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge(safe_merge=True)
            parent, _, last = name.rpartition(".")
            setattr(model.base.get_submodule(parent), last, layer.get_base_layer())
    model.config.adapter, model.config.whole = None, True
    model._keys_to_ignore_on_save = None
