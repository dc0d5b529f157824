"""What was written, read by the code that a person without this project would read it by."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from reason_cli import Exported, ReasonError, quiet

# Of transformers' own, those that keep a state alone. Their forward pass takes several tokens after one as if there
# were none, so these go in one by one. Other recurrent models of its own have a text read anew at each call.
STATES_ALONE = ("mamba", "mamba2", "falcon_mamba")
Cache: TypeAlias = dict[str, Any]  # what is remembered, by the keyword that a model takes it by


class Loaded(Exported):
    """A model as transformers runs it."""

    def __init__(self, model: Any, carried: bool) -> None:
        self.model = model
        self.steps = not carried and model.config.model_type in STATES_ALONE
        self.continues = carried or self.steps or not model._is_stateful

    @torch.no_grad()
    def read(self, input_ids: Tensor, attention_mask: Tensor | None, state: Any, last: bool) -> tuple[Tensor, Any]:
        """See `Exported.read`. A state is a cache by its keyword, and the mask of what was read."""
        new = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        with quiet():
            if state is None:
                logits, cache = self.call(input_ids, new, {}, last)
                return logits, (new, cache) if self.continues else None
            mask, cache = torch.cat([state[0], new], 1), deepcopy(state[1])  # a forward pass writes into it
            if not self.steps:
                logits, cache = self.call(input_ids, mask, cache, last)
                return logits, (mask, cache)
            steps = []
            for column in input_ids.split(1, 1):
                logits, cache = self.call(column, None, cache, last)
                steps.append(logits)
            return steps[-1] if last else torch.cat(steps, 1), (mask, cache)

    def call(self, ids: Tensor, mask: Tensor | None, cache: Cache, last: bool) -> tuple[Tensor, Cache]:
        """Logits (b, l, v), or of the last column alone, and the cache after it."""
        output = self.model(
            input_ids=ids, attention_mask=mask, use_cache=self.continues, logits_to_keep=int(last), **cache
        )
        logits = output.logits[:, -1:] if last else output.logits
        keyword = "cache_params" if getattr(output, "cache_params", None) is not None else "past_key_values"
        return logits.float(), {keyword: output.get(keyword)}


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
