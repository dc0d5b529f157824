"""What the tests share: running `reason` in this process or its own, and plugins installed for one test."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A distribution of the project's own fakes, installed as a third party's would be.
TINY_PLUGIN = """
from reason_cli import hookimpl
from reason_cli.testing import Additions, LastWord, StateDict, TinyLlama

@hookimpl
def register_architectures():
    return [TinyLlama()]

@hookimpl
def register_datasets():
    return [Additions()]

@hookimpl
def register_extractors():
    return [LastWord()]

@hookimpl
def register_exporters():
    return [StateDict()]
"""


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error_line(self) -> str:
        """The one line of an error; fails when there is more, or a traceback."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert len(lines) == 1 and lines[0].startswith("error: "), self.err
        return lines[0]

    def ok(self) -> Result:
        assert self.code == 0, self.err or self.out
        return self

    def json(self) -> Any:
        return json.loads(self.ok().out)


def run(*arguments: object) -> Result:
    """`reason ARGUMENTS` in this process, through the same `main` as the installed command."""
    from reason_cli.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return Result(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """`reason ARGUMENTS` as a process of its own, begun."""
    return subprocess.Popen(
        [sys.executable, "-m", "reason_cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
    )


def spawn(*arguments: object, timeout: float = 120, **environment: str) -> Result:
    """`reason ARGUMENTS` as a process of its own, to its end."""
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=timeout)
    return Result(process.returncode, out, err)


class Site:
    """A folder on the import path, into which plugins are installed as distributions with entry points."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        patch.syspath_prepend(str(folder))
        before = os.environ.get("PYTHONPATH")
        patch.setenv("PYTHONPATH", os.pathsep.join(p for p in (str(folder), before) if p))
        self.modules: list[str] = []

    def add(self, name: str, code: str, distribution: str = "") -> str:
        """Install a plugin of this name; returns its module's name."""
        distribution = distribution or f"reason-{name}"
        module = f"{distribution}_{name}_module".replace("-", "_").replace(".", "_")
        (self.folder / f"{module}.py").write_text(code, encoding="utf-8")
        info = self.folder / f"{distribution.replace('-', '_')}-1.2.3.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2.3\n", "utf-8")
        with (info / "entry_points.txt").open("a", encoding="utf-8") as file:
            file.write(f"[reason_cli]\n{name} = {module}\n")
        self.modules.append(module)
        return module

    def close(self) -> None:
        for module in self.modules:
            sys.modules.pop(module, None)


def write_rows(path: Path, rows: list[Any]) -> Path:
    """A JSON-lines file; a row that is a string is written as it stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Said:
    """A `Reporter` that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def start(self, title: str, total: float) -> None: ...

    def update(self, done: float, figures: Any) -> None: ...

    def finish(self) -> None: ...


TINY = (
    *("--arch", "tiny-llama", "--device", "cpu", "--precision", "fp32"),
    *("--micro-batch-size", "8", "--learning-rate", "3e-3", "--warmup-steps", "2", "--logging-steps", "1"),
    *("--samples", "1", "--set", "eval.max_new_tokens=16", "--validation-split", "0.1", "--threads", "1"),
)


SUMS = ("--dataset", "additions@160")


def train_tiny(output: Path, *more: object, data: tuple[object, ...] = SUMS, steps: int = 12) -> Result:
    """Train the tiny Llama, on sums unless `data` says otherwise, in this process."""
    each = max(1, steps // 2)
    schedule = ("--max-steps", steps, "--save-steps", each, "--eval-steps", each)
    return run("train", *TINY, *data, *schedule, "--output", output, *more)


def weights(folder: Path) -> dict[str, Any]:
    """The tensors of a checkpoint."""
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")
