"""`reason`: train, evaluate and export small reasoning language models.

This is the whole public API for plugins. It never imports torch.
"""

from __future__ import annotations

from reason_cli.api import (
    AnswerExtractor,
    Architecture,
    ArchitectureOptions,
    BadRow,
    Chat,
    DatasetFormatter,
    Estimate,
    Example,
    Extraction,
    Hub,
    Item,
    Load,
    NoOptions,
    Part,
    RowCache,
    Text,
    Turn,
    option,
)
from reason_cli.errors import ReasonError
from reason_cli.hookspecs import hookimpl

__version__ = "0.1.0"


def calculate(expression: str) -> str | None:
    """The exact value of an arithmetic expression as text, `None` for what is none; never runs it as code."""
    from reason_cli.calculator import evaluate

    return evaluate(expression)


__all__ = [
    "AnswerExtractor",
    "Architecture",
    "ArchitectureOptions",
    "BadRow",
    "Chat",
    "DatasetFormatter",
    "Estimate",
    "Example",
    "Extraction",
    "Hub",
    "Item",
    "Load",
    "NoOptions",
    "Part",
    "ReasonError",
    "RowCache",
    "Text",
    "Turn",
    "__version__",
    "calculate",
    "hookimpl",
    "option",
]
