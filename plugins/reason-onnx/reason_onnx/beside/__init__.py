"""What is written beside the graphs, for whoever gets the folder alone: how to use it, and a program that does."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
FILES = ("generate.py", "README.md")


def write_beside(folder: Path, name: str) -> None:
    """`generate.py` and `README.md` of an artefact of this name."""
    for file in FILES:
        text = (HERE / f"{file}.txt").read_text(encoding="utf-8")
        (folder / file).write_text(text.replace("{name}", name), encoding="utf-8")
