"""What was written, read by the code that a person without this project would read it by."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reason_cli import Exported, ReasonError
from reason_hf.quiet import quiet


class Loaded(Exported):
    """A model as transformers runs it.

    Of a recurrent model of transformers' own a text is read anew at each call: its forward pass takes several tokens
    after a state as if there were none.
    """

    def __init__(self, model: Any, carried: bool) -> None:
        self.model = model
        self.continues = carried or not model._is_stateful

    @torch.no_grad()
    def read(self, input_ids: Tensor, attention_mask: Tensor | None, state: Any, last: bool) -> tuple[Tensor, Any]:
        """See `Exported.read`. A state is a cache by its keyword, and the mask of what was read."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        how: dict[str, Any] = {"use_cache": self.continues}
        if state is not None:
            before, cache = state
            mask = torch.cat([before, mask], 1)
            how |= deepcopy(cache)  # a forward pass writes into it
        with quiet():
            output = self.model(input_ids=input_ids, attention_mask=mask, logits_to_keep=int(last), **how)
        logits = output.logits[:, -1:] if last else output.logits
        if not self.continues:
            return logits.float(), None
        keyword = "cache_params" if getattr(output, "cache_params", None) is not None else "past_key_values"
        return logits.float(), (mask, {keyword: output[keyword]})


def read(folder: Path) -> Loaded:
    """The model of a folder that `export` wrote, in float32. Raises `ReasonError` when it cannot be read."""
    from transformers import AutoModelForCausalLM
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    code = config.get("auto_map", {}).get("AutoModelForCausalLM")
    try:
        with quiet():
            # The code was written by `export` a moment ago, from modules that run in this process already. AutoModel
            # would take those instead, where what is to be proven is what stands in the folder.
            made: Any = get_class_from_dynamic_module(code, str(folder)) if code else AutoModelForCausalLM
            model, told = made.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except (OSError, ImportError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ReasonError(f"transformers cannot load {folder}: {line}", "export it anew") from error
    wrong = sorted([*told["missing_keys"], *told["unexpected_keys"]])
    if wrong:
        raise ReasonError(f"the weights in {folder} do not fit its code, such as {wrong[0]}", "export it anew")
    return Loaded(model.eval(), bool(code))
