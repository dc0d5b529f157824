"""An adapter merged into its base, in 16 bits, and how far its logits moved on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli import ReasonError
from reason_qlora.adapter import base_of, load_adapter
from reason_qlora.architecture import QLoraOptions
from reason_qlora.base import hush, load_base

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

# What the logits are compared on: plain words, numbers, and what the model was tuned to do.
TEXTS = (
    "Tom has 3 boxes with 12 apples each. How many apples does he have?",
    "<think>\n3 * 12 = 36\n</think>\n\n**Final Answer:** 36",
    "The quick brown fox jumps over the lazy dog.",
    "def add(a, b):\n    return a + b\n",
)


@dataclass(frozen=True)
class Differences:
    """The largest difference of a logit, and the share of positions whose likeliest token is the same.

    `merging`: the merged model in float32 beside the adapter on the whole base. `rounding`: what was written, loaded
    again, beside that. `quantisation`: the same beside the adapter on the base as it was held in training.
    """

    merging: tuple[float, float]
    rounding: tuple[float, float]
    quantisation: tuple[float, float] | None


def merge(checkpoint: Path, output: Path, options: QLoraOptions, dtype: str) -> Differences:
    """Write base and adapter as one model of `dtype` (`bf16`, `fp16`, `fp32`) with its tokenizer into `output`.

    Raises `ReasonError` when `output` is there already, or the checkpoint is no adapter.
    """
    hush()
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    if output.exists():
        raise ReasonError(f"{output} is there already", "choose another --output", usage=True)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
    whole = replace(options, quantization="none", dtype="fp32", offload=False)
    base = load_base(replace(whole, base=options.base or base_of(checkpoint)), len(tokenizer))
    name = str(base.name_or_path)
    model = PeftModel.from_pretrained(base, str(checkpoint)).eval()
    adapted = _logits(model, tokenizer)
    as_trained = None if options.quantization == "none" else _as_trained(checkpoint, options, tokenizer)
    merged: Any = model.merge_and_unload(safe_merge=True)
    together = _logits(merged, tokenizer)
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    merged.to(getattr(torch, {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}[dtype]))
    merged.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    written = AutoModelForCausalLM.from_pretrained(partial, dtype=torch.float32, trust_remote_code=False).eval()
    loaded = _logits(written, tokenizer)
    found = Differences(
        _between(together, adapted), _between(loaded, adapted), _between(loaded, as_trained) if as_trained else None
    )
    (partial / "merge.json").write_text(
        json.dumps({"adapter": str(checkpoint), "base": name, **asdict(found)}, indent=2) + "\n",
        encoding="utf-8",
    )
    partial.rename(output)
    return found


def _as_trained(
    checkpoint: Path, options: QLoraOptions, tokenizer: PreTrainedTokenizerBase
) -> list[torch.Tensor] | None:
    """The logits with the base as it was held in training; `None` where it cannot be held so here."""
    try:
        return _logits(load_adapter(checkpoint, options).eval(), tokenizer)
    except ReasonError:
        return None


def _logits(model: Any, tokenizer: PreTrainedTokenizerBase) -> list[torch.Tensor]:
    """float32 logits (length, vocabulary) of each text."""
    import torch

    with torch.no_grad():
        return [
            model(input_ids=tokenizer(text, return_tensors="pt").input_ids.to(model.device)).logits[0].float().cpu()
            for text in TEXTS
        ]


def _between(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> tuple[float, float]:
    """(largest difference, share of positions with the same likeliest token)."""
    import torch

    one, other = torch.cat(list(ours)), torch.cat(list(theirs))
    return float((one - other).abs().max()), float((one.argmax(-1) == other.argmax(-1)).float().mean())
