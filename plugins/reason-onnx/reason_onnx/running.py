"""Graphs that were written, run by onnxruntime: numpy inside, tensors only where the core hands them over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnxruntime import InferenceSession, SessionOptions
from onnxscript import ir
from torch import Tensor

from reason_cli import Exported, ReasonError, State
from reason_onnx.cutting import AFTER, LOGITS, stages
from reason_onnx.pipeline import Pipeline
from reason_onnx.writing import FORMAT

SILENT = 4  # onnxruntime's level of what is fatal; errors are raised
WEIGHTS = "session.model_external_initializers_file_folder_path"


class Running(Exported):
    """Both graphs of a folder. What is remembered of rows are arrays, in the order of `states`, never changed."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.stepping = session(folder / "step.onnx", threads)
        told = self.stepping.get_modelmeta().custom_metadata_map
        if told.get("reason.format") != FORMAT:
            raise ReasonError(f"{folder / 'step.onnx'} is of a format that is not known here", "export it again")
        self.states = [State(**state) for state in json.loads(told["reason.states"])]
        self.forward_only: list[int] = json.loads(told["reason.forward_only"])
        self.outputs = [LOGITS, *(f"{state.name}{AFTER}" for state in self.states)]
        self.reading = reader(folder / "model.onnx", threads)

    def start(self, rows: int) -> tuple[np.ndarray, ...]:
        """What is remembered of rows that have read nothing."""
        return tuple(np.zeros(state.sizes(rows), state.dtype) for state in self.states)

    def read(self, input_ids: Tensor, attention_mask: Tensor | None, state: Any, last: bool) -> tuple[Tensor, Any]:
        """See `reason_cli.Exported.read`. What `step` cannot read begins a piece: before it a model has less to do."""
        ids, mask = input_ids.numpy(), None if attention_mask is None else attention_mask.long().numpy()
        cut = int(np.isin(ids, self.forward_only).any(0).argmax())  # 0: nowhere, or at once
        if not cut:
            logits, after = self.piece(ids, mask, state, last)
            return torch.from_numpy(logits), after
        masks = (None, None) if mask is None else (mask[:, :cut], mask[:, cut:])
        before, between = self.piece(ids[:, :cut], masks[0], state, last)
        logits, after = self.piece(ids[:, cut:], masks[1], between, last)
        return torch.from_numpy(logits if last else np.concatenate([before, logits], 1)), after

    def piece(self, ids: np.ndarray, mask: np.ndarray | None, state: Any, last: bool) -> tuple[np.ndarray, Any]:
        """`read` in one call of a graph."""
        remembered = self.start(len(ids)) if state is None else state
        feed = dict(zip((one.name for one in self.states), remembered, strict=True))
        feed["input_ids"] = ids
        length = ids.shape[1]
        steps = length == 1 and not np.isin(ids, self.forward_only).any()
        if state is not None and steps and mask is None:
            logits, *after = self.stepping.run(self.outputs, feed)
        else:
            feed["attention_mask"] = np.ones_like(ids) if mask is None else mask
            feed["logits_to_keep"] = np.arange(length - 1 if last else 0, length, dtype=np.int64)
            logits, *after = self.reading.run(self.outputs, feed)
        return logits, tuple(after)


def reader(path: Path, threads: int) -> Any:
    """What reads texts: a session of the graph as it is, or of several threads that share its walks."""
    if threads < 2:
        return session(path, threads)
    try:
        model = ir.load(path)
    except Exception:  # protobuf raises its own kinds; a session says what is wrong
        return session(path, threads)
    parts = [session(ir.to_proto(part).SerializeToString(), 1, path.parent) for part in stages(model)]
    return Pipeline(parts, threads) if parts else session(path, threads)


def session(graph: Path | bytes, threads: int, folder: Path | None = None) -> InferenceSession:
    """A graph, ready to run on so many threads. `folder` has the weights of one that is no file.

    Raises `ReasonError` where it cannot be read.
    """
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = SILENT
    if folder is not None:
        options.add_session_config_entry(WEIGHTS, str(folder))
    try:
        return InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own kinds
        reason = str(error).splitlines()[0]
        raise ReasonError(f"onnxruntime cannot read {folder or graph!s}: {reason}", "export it again") from None
