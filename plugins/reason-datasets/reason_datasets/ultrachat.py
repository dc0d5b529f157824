"""`ultrachat`: conversations of several turns between a user and an assistant.

Columns and splits are from code that loads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import Chat
from reason_datasets.conversations import chat_of


def read(row: Mapping[str, Any], options: Any) -> Chat | None:
    """What a row says; `None` where the assistant says nothing."""
    return chat_of(row, "messages")
