"""What is written beside the file, for whoever gets the folder alone: how to use it, and a program that does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reason_cli import State

HERE = Path(__file__).parent
FILES = ("generate.py", "README.md")


def write_beside(folder: Path, name: str, states: Sequence[State]) -> None:
    """`generate.py` and `README.md` of an artefact of this name, with these states."""
    rows = [f"| `{state.name}` | ({', '.join(map(str, state.shape))}) | {state.dtype} |" for state in states]
    for file in FILES:
        text = (HERE / f"{file}.txt").read_text(encoding="utf-8")
        (folder / file).write_text(text.replace("{name}", name).replace("{states}", "\n".join(rows)), encoding="utf-8")
