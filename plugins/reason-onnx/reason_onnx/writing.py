"""Graphs as files: each weight once on the disk, in one file beside them, whichever graphs use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from onnxscript import ir

from reason_cli import ReasonError, State, __version__

DATA = "model.onnx.data"
FORMAT = "1"  # of names and metadata; whoever reads the files may ask for it
PAGE = 4096  # tensors begin at a page, so that they can be mapped to memory
SMALL = 1024  # bytes of a tensor that stays in the graph: sizes and axes, which shapes are inferred from


def write(models: Mapping[str, ir.Model], folder: Path, facts: Mapping[str, str], states: Sequence[State]) -> None:
    """Write graphs, by the names of their files, and their weights. Raises `ReasonError` for what the disk refuses."""
    remembered = [{"name": state.name, "shape": list(state.shape), "dtype": state.dtype} for state in states]
    told = {"format": FORMAT, "version": __version__, **facts, "states": json.dumps(remembered)}
    try:
        with (folder / DATA).open("wb") as file:
            places: dict[bytes, int] = {}
            for model in models.values():
                _move(model, file, folder, places)
        for name, model in models.items():
            model.producer_name, model.producer_version = "reason", __version__
            model.metadata_props.update({f"reason.{key}": value for key, value in told.items()})
            ir.save(model, folder / name)
    except OSError as error:
        raise ReasonError(f"cannot write {folder}: {error.strerror or error}", "choose another --output") from None


def _move(model: ir.Model, file: BinaryIO, folder: Path, places: dict[bytes, int]) -> None:
    """Weights of a graph to the file, but those that are there already. `places` are where tensors of a hash begin."""
    for value in model.graph.initializers.values():
        tensor = value.const_value
        if tensor is None or tensor.nbytes < SMALL:
            continue
        content = tensor.tobytes()
        key = hashlib.sha256(content).digest()
        if key not in places:
            file.write(bytes(-file.tell() % PAGE))
            places[key] = file.tell()
            file.write(content)
        shape = ir.Shape(tensor.shape.numpy())
        value.const_value = ir.ExternalTensor(
            DATA, places[key], len(content), tensor.dtype, shape=shape, name=value.name or "", base_dir=folder
        )
