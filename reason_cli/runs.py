"""The run directory: the only thing that commands hand to each other.

run.toml        every resolved value, where each came from, versions, seed, hardware, data fingerprints
metrics.jsonl   one line of figures per logged step
tensorboard/    the same, drawn
train.log       what was said while it ran
checkpoints/    checkpoint-500/ ... each complete once its manifest.json is there
final/          the trained model and its tokenizer, as `transformers` loads them
eval/           one folder per evaluation
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reason_cli.errors import ReasonError
from reason_cli.toml import read_toml

MANIFEST = "manifest.json"
RUN_SOURCE = "run "  # how the source of a setting begins that was taken over from a run
LOG = "train.log"
ADAPTER = "adapter_config.json"  # peft's
ARTEFACT = "export.json"  # what `reason export` says of what it wrote, beside it
HUB_ID = r"(?P<id>[\w-][\w.-]*/[\w-][\w.-]*)(@(?P<revision>[\w./-]+))?"


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    """`write_text` of indented JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@dataclass(frozen=True)
class Run:
    """A run directory by its path."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> Run:
        """A new run directory. Raises `ReasonError` when the folder already holds something.

        The log of a run that failed before it began is nothing.
        """
        if path.exists() and (not path.is_dir() or any(p.name != LOG for p in path.iterdir())):
            raise ReasonError(
                f"{path} is not empty", f"choose another --output, or go on with --resume {path}", usage=True
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReasonError(f"cannot make {path}: {error.strerror}", "choose another --output") from None
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Run:
        """An existing run directory. Raises `ReasonError` when it is none."""
        if not (path / "run.toml").is_file():
            raise ReasonError(f"{path} is no run directory: it has no run.toml", "pass what `reason train` printed")
        return cls(path)

    @property
    def settings_file(self) -> Path:
        return self.path / "run.toml"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def log(self) -> Path:
        return self.path / LOG

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def final(self) -> Path:
        return self.path / "final"

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write `run.toml`."""
        import tomli_w

        write_text(self.settings_file, tomli_w.dumps(record))

    def read_record(self) -> dict[str, Any]:
        """What `run.toml` holds. Raises `ReasonError` when that is not what a run writes."""
        record = read_toml(self.settings_file)
        facts = record.get("run")
        if not (isinstance(facts, dict) and {"started", "precision"} <= facts.keys()):
            raise ReasonError(f"{self.settings_file} is not the record of a run", "start a new run")
        return record

    def forget_metrics_after(self, step: int) -> None:
        """Drop the lines of `metrics.jsonl` past a step, which a run that goes on from there will write again."""
        if self.metrics.is_file():
            lines = self.metrics.read_text(encoding="utf-8").splitlines(keepends=True)
            write_text(self.metrics, "".join(line for line in lines if json.loads(line)["step"] <= step))

    def complete_checkpoints(self) -> list[Path]:
        """The checkpoints that were written to the end, oldest first."""
        folders = [f for f in self.checkpoints.glob("checkpoint-*") if step_of(f) >= 0 and is_complete(f)]
        return sorted(folders, key=step_of)


def step_of(checkpoint: Path) -> int:
    """The step of a folder named `checkpoint-STEP`; -1 of any other."""
    step = re.fullmatch(r"checkpoint-(\d+)", checkpoint.name)
    return int(step[1]) if step else -1


def seal(folder: Path) -> None:
    """Write a checkpoint's manifest, last of all: its files with their sizes."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    write_json(folder / MANIFEST, {str(p.relative_to(folder)): p.stat().st_size for p in files})


def is_complete(folder: Path) -> bool:
    """Whether a checkpoint has its manifest and every file in it, whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in manifest.items())
    except (OSError, ValueError, AttributeError):
        return False


@dataclass(frozen=True)
class Checkpoint:
    """A folder of weights that `transformers` loads, and the run it came from, if that is known.

    One of the hub has a `hub_id`, and a `revision` if one was named; its `path` is a folder once it is fetched.
    """

    path: Path
    run: Run | None
    hub_id: str = ""
    revision: str = ""

    @classmethod
    def find(cls, path: Path) -> Checkpoint:
        """From a run directory (its `final`, else its newest checkpoint), a folder of weights, or a model of the hub.

        The latter is OWNER/NAME[@REVISION]; whether there is such a model is not asked here.
        Raises `ReasonError` when there is nothing to load.
        """
        if not path.exists():
            known = re.fullmatch(HUB_ID, str(path))
            if known:
                return cls(path, None, known["id"], known["revision"] or "")
            hint = "pass a run directory, a folder of weights, or a model of the hub as OWNER/NAME"
            raise ReasonError(f"no checkpoint '{path}'", hint, usage=True)
        if (path / "run.toml").is_file():
            run = Run(path)
            if run.final.exists() and not is_weights(run.final):
                raise ReasonError(f"{run.final} lacks its config.json or weights", f"pass one of {run.checkpoints}")
            folders = [run.final] if run.final.exists() else run.complete_checkpoints()
            if not folders:
                raise ReasonError(f"{path} has no finished checkpoint yet", f"go on with --resume {path}")
            return cls(folders[-1], run)
        if not is_weights(path) and not (path / ARTEFACT).is_file():
            raise ReasonError(
                f"{path} is no checkpoint: it has no config.json with weights",
                "pass a run directory or a folder that transformers loads",
            )
        owner = next((p for p in list(path.resolve().parents)[:2] if (p / "run.toml").is_file()), None)
        return cls(path, Run(owner) if owner else None)

    @property
    def artefact(self) -> dict[str, Any]:
        """What `export.json` says of a model in a format that transformers does not read; empty for any other.

        Raises `ReasonError` when the file is not what `reason export` writes.
        """
        file = self.path / ARTEFACT
        if not file.is_file() or is_weights(self.path):
            return {}
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            return {key: record[key] for key in ("format", "backend", "precision", "template", "sha256")}
        except (OSError, ValueError, TypeError, KeyError):
            raise ReasonError(f"{file} is not what `reason export` writes", "export the model again") from None

    @property
    def learned(self) -> str:
        """The dataset that its run learned first; empty where no run is known."""
        parts = self.run.read_record()["run"].get("data", ()) if self.run else ()
        return str(parts[0]["dataset"]).partition(":")[0] if parts else ""

    @property
    def asked(self) -> dict[str, Any]:
        """How a model that was exported is asked: settings by their path, as `export.json` has them; else none."""
        try:
            record = json.loads((self.path / ARTEFACT).read_text(encoding="utf-8"))
            template = {f"data.{name}": value for name, value in record["template"].items()}
            return {**record.get("settings", {}), **template}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}

    @property
    def name(self) -> str:
        """What finds it again: its path, or OWNER/NAME[@REVISION]."""
        if not self.hub_id:
            return str(self.path)
        return f"{self.hub_id}@{self.revision}" if self.revision else self.hub_id

    @property
    def model_type(self) -> str:
        """What the weights say they are; an adapter is of no type. Raises `ReasonError` when they do not."""
        if (self.path / ADAPTER).is_file():
            return ""
        try:
            return str(json.loads((self.path / "config.json").read_text(encoding="utf-8"))["model_type"])
        except (OSError, ValueError, TypeError, KeyError):
            raise ReasonError(
                f"{self.path}/config.json does not say what model it is", "pass a folder that transformers saved"
            ) from None


def beside(checkpoint: Path, word: str) -> Path:
    """Where what is made of a checkpoint goes: NAME-WORD in the same folder, `.` and links by their real name."""
    place = checkpoint if checkpoint.name not in ("", "..") else checkpoint.resolve()
    return place.with_name(f"{checkpoint.resolve().name}-{word}")


def merged_from(folder: Path) -> Run | None:
    """The run whose adapter was merged into a folder, where it still is."""
    try:
        adapter = Path(json.loads((folder / "merge.json").read_text(encoding="utf-8"))["adapter"])
        return Checkpoint.find(adapter).run if adapter.exists() else None
    except (OSError, ValueError, KeyError, TypeError, ReasonError):
        return None


def is_weights(folder: Path) -> bool:
    """Whether a folder holds a model, or peft's adapter to one, as `transformers` saves it: safetensors, all parts."""
    if (folder / ADAPTER).is_file():
        return (folder / "adapter_model.safetensors").is_file()
    if not (folder / "config.json").is_file():
        return False
    return (folder / "model.safetensors").is_file() or _all_shards(folder)


def _all_shards(folder: Path) -> bool:
    """Whether a folder has an index of weights in several files, and all of them."""
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        return all((folder / name).is_file() for name in index["weight_map"].values())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
