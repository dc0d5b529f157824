"""Conversations as rows hold them: lists of turns, in the two spellings that are common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import BadRow, Chat, Turn
from reason_datasets.fields import value_of

ROLES = {
    **{"system": "system", "user": "user", "assistant": "assistant"},
    **{"human": "user", "gpt": "assistant", "bot": "assistant", "chatgpt": "assistant", "model": "assistant"},
}


def chat_of(row: Mapping[str, Any], key: str) -> Chat | None:
    """The conversation under `key`: turns of role and content, or of from and value (ShareGPT).

    `None` when the assistant says nothing in it: there is nothing to learn.
    """
    turns = value_of(row, key)
    if not isinstance(turns, (list, tuple)) or not turns:
        raise BadRow(f"column {key!r} is no list of turns")
    read = tuple(_turn(turn, f"turn {n} of column {key!r}") for n, turn in enumerate(turns, 1))
    return Chat(read) if any(turn.role == "assistant" for turn in read) else None


def is_conversation(value: Any) -> bool:
    """Whether a value is a list of turns in one of the spellings."""
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(
            isinstance(t, Mapping) and ({"role", "content"} <= set(t) or {"from", "value"} <= set(t)) for t in value
        )
    )


def _turn(turn: Any, where: str) -> Turn:
    if not isinstance(turn, Mapping):
        raise BadRow(f"{where} is a {type(turn).__name__}, not an object")
    says, text = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
    role = ROLES.get(says.lower()) if isinstance(says, str) else None
    if role is None:
        raise BadRow(f"{where} is said by {says!r}, not by system, user or assistant")
    if not isinstance(text, str) or not text.strip():
        raise BadRow(f"{where} has no text")
    return Turn(role, text.strip())
