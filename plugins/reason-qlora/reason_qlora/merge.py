"""An adapter merged into its base, in 16 bits, and how far its logits moved on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli import ReasonError
from reason_qlora.adapter import base_of, load_adapter
from reason_qlora.base import hush, load_base

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from reason_qlora.architecture import QLoraOptions

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
    """Write base and adapter as one model of `dtype` (`bf16`, `fp16`, `fp32`) with its tokenizer into `output`."""
    hush()
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
    base = load_base(replace(in_full(options), base=options.base or base_of(checkpoint)), len(tokenizer))
    name = str(base.name_or_path)
    model = PeftModel.from_pretrained(base, str(checkpoint)).eval()
    adapted = logits(model, tokenizer)
    as_trained = held_as_trained(lambda: load_adapter(checkpoint, options), options, tokenizer)
    merged: Any = model.merge_and_unload(safe_merge=True)
    together = logits(merged, tokenizer)
    with folder_for(output) as folder:
        merged.to(dtype_of(dtype)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        written = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype_of("fp32"), trust_remote_code=False)
        found = compared(adapted, together, logits(written.eval(), tokenizer), as_trained)
        write_facts(folder, checkpoint, name, found)
    return found


def in_full(options: QLoraOptions) -> QLoraOptions:
    """The same with the base in float32."""
    return replace(options, quantization="none", dtype="fp32", offload=False)


def dtype_of(name: str) -> torch.dtype:
    """`bf16`, `fp16` or `fp32`."""
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[name]


@contextmanager
def folder_for(output: Path) -> Iterator[Path]:
    """A folder to write to, which is `output` once all is there."""
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    yield partial
    partial.rename(output)


def held_as_trained(
    load: Callable[[], PreTrainedModel], options: QLoraOptions, tokenizer: PreTrainedTokenizerBase
) -> list[torch.Tensor] | None:
    """The logits with the base as it was held in training; `None` where that was whole, or cannot be here."""
    if options.quantization == "none":
        return None
    try:
        return logits(load().eval(), tokenizer)
    except ReasonError:
        return None


def logits(model: Any, tokenizer: PreTrainedTokenizerBase) -> list[torch.Tensor]:
    """float32 logits (length, vocabulary) of each text."""
    import torch

    with torch.no_grad():
        return [
            model(input_ids=tokenizer(text, return_tensors="pt").input_ids.to(model.device)).logits[0].float().cpu()
            for text in TEXTS
        ]


def compared(
    adapted: Sequence[torch.Tensor],
    together: Sequence[torch.Tensor],
    written: Sequence[torch.Tensor],
    as_trained: Sequence[torch.Tensor] | None,
) -> Differences:
    """The differences between a model's logits on the way from its adapter to what was written."""
    last = _between(written, as_trained) if as_trained else None
    return Differences(_between(together, adapted), _between(written, adapted), last)


def write_facts(folder: Path, checkpoint: Path, base: str, found: Differences) -> None:
    """`merge.json`: what was merged, and what was found."""
    facts = {"adapter": str(checkpoint), "base": base, **asdict(found)}
    (folder / "merge.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _between(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> tuple[float, float]:
    """(largest difference, share of positions with the same likeliest token)."""
    import torch

    one, other = torch.cat(list(ours)), torch.cat(list(theirs))
    return float((one - other).abs().max()), float((one.argmax(-1) == other.argmax(-1)).float().mean())
