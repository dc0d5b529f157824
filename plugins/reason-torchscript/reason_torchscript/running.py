"""A file that was written, run by `torch.jit.load` and nothing of what wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reason_cli import Exported, ReasonError, quiet
from reason_torchscript.tracing import MODEL


class Running(Exported):
    """The module of a folder. What is remembered of rows is a tuple of tensors, never changed."""

    def __init__(self, folder: Path, threads: int) -> None:
        path = folder / MODEL
        if not path.is_file():
            raise ReasonError(f"{folder} has no {MODEL}", "export it again")
        torch.set_num_threads(threads)
        try:
            with quiet():
                self.model: Any = torch.jit.load(str(path), map_location="cpu").eval()
        except (RuntimeError, ValueError, OSError) as error:
            raise ReasonError(f"torch cannot read {path}: {str(error).splitlines()[0]}", "export it again") from None

    @torch.no_grad()
    def read(self, input_ids: Tensor, attention_mask: Tensor | None, state: Any, last: bool) -> tuple[Tensor, Any]:
        """See `reason_cli.Exported.read`."""
        length = input_ids.shape[1]
        steps = length == 1 and not bool(torch.isin(input_ids, self.model.forward_only).any())
        if state is not None and steps and attention_mask is None:
            logits, *after = self.model.step(input_ids, *state)
        else:
            mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask.long()
            kept = torch.arange(length - 1 if last else 0, length)
            remembered = self.model.start(input_ids) if state is None else state
            logits, *after = self.model(input_ids, mask, kept, *remembered)
        return logits, tuple(after)
