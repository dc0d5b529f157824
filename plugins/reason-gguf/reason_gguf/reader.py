"""The weights of the file itself, brought back to float32 and run by transformers."""

from __future__ import annotations

import struct
from contextlib import redirect_stderr
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reason_cli import Exported, ReasonError, quiet


class Mamba(Exported):
    """A Mamba of transformers'. What follows a state goes in token by token: several at once would be read as if there
    were none.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    @torch.no_grad()
    def read(self, input_ids: Tensor, attention_mask: Tensor | None, state: Any, last: bool) -> tuple[Tensor, Any]:
        """See `Exported.read`; a state is transformers' cache."""
        with quiet():
            if state is None:
                return self.call(input_ids, attention_mask, None, last)
            state = deepcopy(state)  # a forward pass writes into it
            steps = []
            for column in input_ids.split(1, 1):
                logits, state = self.call(column, None, state, last)
                steps.append(logits)
            return steps[-1] if last else torch.cat(steps, 1), state

    def call(self, ids: Tensor, mask: Tensor | None, cache: Any, last: bool) -> tuple[Tensor, Any]:
        """Logits (b, l, v), or of the last column alone, and the cache after it."""
        output = self.model(input_ids=ids, attention_mask=mask, cache_params=cache, use_cache=True)
        return (output.logits[:, -1:] if last else output.logits).float(), output.cache_params


def read(folder: Path, name: str) -> Mamba:
    """The model of a file in a folder. Raises `ReasonError` when it cannot be read."""
    from transformers import MambaForCausalLM

    if not (folder / name).is_file():
        raise ReasonError(f"{folder} has no {name}", "export it anew")
    try:
        with quiet(), redirect_stderr(StringIO()):  # one of its bars cannot be turned off
            model: Any = MambaForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, struct.error) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ReasonError(f"cannot read {folder / name}: {line}", "export it anew") from error
    return Mamba(model.eval())
