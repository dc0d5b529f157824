"""The Hugging Face hub: whether it answers, the rows of its datasets, and the files of its models."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from reason_cli.api import Hub
from reason_cli.errors import ReasonError, first_line
from reason_cli.runs import is_weights

PATIENCE = 4.0  # seconds
MODEL_FILES = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")
NOT_MODEL_FILES = ("*/*", "consolidated*")  # other formats' folders, and Mistral's second copy of the weights


class Unreachable(ReasonError):
    """A source whose rows cannot be had: not there, or not reachable. A fallback may take its place."""


@cache
def ready() -> None:
    """Call before asking the hub. When nothing answers there, its clients look into their caches alone."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or getproxies() or _answers(constants.ENDPOINT):
        return
    import datasets

    # Found out once, so that being offline costs seconds, not minutes of retries.
    constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True


def _answers(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "", port), PATIENCE):
            return True
    except OSError:
        return False


def rows(hub: Hub, split: str, skip: int = 0) -> Iterator[tuple[str, Any]]:
    """(place, row) of a split, by the name that people type, without the first `skip`. Raises `Unreachable`."""
    dataset = _open(hub, hub.splits.get(split, split))
    rest = dataset.skip(skip) if skip else dataset
    return ((f"{hub.id}:{n}", row) for n, row in enumerate(rest, skip + 1))


def cached(hub: Hub, split: str) -> bool:
    """Whether the rows are on this machine already; asks nobody else."""
    import datasets
    from huggingface_hub import constants

    ready()  # what it finds out must outlast this question
    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        _open(hub, hub.splits.get(split, split))
    except Unreachable:
        return False
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before
    return True


def _open(hub: Hub, split: str) -> Any:
    from datasets import load_dataset

    ready()
    try:
        return load_dataset(
            hub.id,
            hub.config or None,
            split=split,
            data_dir=hub.data_dir or None,
            revision=hub.revision or None,
            streaming=hub.streaming,
        )
    except Exception as error:  # the hub's clients raise a dozen kinds for "not there" and "not reachable"
        raise Unreachable(
            f"dataset '{hub.id}' cannot be had from the hub: {first_line(error)}",
            "check the name, or go online once so that it is cached",
        ) from None


def model(id: str, revision: str = "") -> Path:
    """The folder with a model's files. When the cache holds them all, nobody is asked; else they are fetched.

    Only safetensors weights are. Raises `Unreachable`.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    version = revision or None
    try:
        folder = Path(snapshot_download(id, revision=version, local_files_only=True))
        if is_weights(folder):
            return folder
    except LocalEntryNotFoundError:
        pass
    except HFValidationError:
        raise Unreachable(f"there is no folder '{id}'", "check the path, or name a model as OWNER/NAME") from None
    ready()
    take, leave = list(MODEL_FILES), list(NOT_MODEL_FILES)
    try:
        folder = Path(snapshot_download(id, revision=version, allow_patterns=take, ignore_patterns=leave))
    except GatedRepoError:
        hint = "accept its terms on its page of the hub, then run `hf auth login`, or set HF_TOKEN"
        raise Unreachable(f"model '{id}' is gated, and you have no access to it", hint) from None
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise Unreachable(
            f"model '{id}' is neither a folder here nor to be had from the hub: {first_line(error)}",
            "check the name, or go online once so that it is cached",
        ) from None
    if not is_weights(folder):
        raise Unreachable(f"model '{id}' has no whole safetensors weights", "go online to fetch them, or pass another")
    return folder
