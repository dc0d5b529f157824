"""Which rows watch the loss and are not trained on. Rows that ask the same question stay on one side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from reason_cli.api import Chat, Example, Item
from reason_cli.engine.contamination import question_key

Keyed = tuple[int, Item]  # an item, and before it what makes it the same as another


def key_of(item: Item) -> int:
    """What makes two items the same, however their case, spaces and punctuation differ."""
    return question_key(question_of(item))


def question_of(item: Item) -> str:
    """What an item asks: its question, all that a conversation's user says, or the whole of a text."""
    if isinstance(item, Example):
        return item.question
    if isinstance(item, Chat):
        return "\n".join(turn.text for turn in item.turns if turn.role == "user")
    return item.text


def keyed(items: Iterable[Item]) -> list[Keyed]:
    """Each item with its key."""
    return [(key_of(item), item) for item in items]


def split_held_out(groups: Sequence[Sequence[Keyed]], share: float, seed: int) -> tuple[list[list[Item]], list[Item]]:
    """(what is trained on, by group; what is held out): seeded, whatever the order of the rows.

    At least one question is held out if `share` is over 0 and there are two or more.
    """
    keys = sorted({key for group in groups for key, _ in group})
    Random(seed).shuffle(keys)
    count = max(1, round(share * len(keys))) if share and len(keys) > 1 else 0
    return divide(groups, set(keys[:count]))


def divide(groups: Sequence[Sequence[Keyed]], held: set[int]) -> tuple[list[list[Item]], list[Item]]:
    """(items by group whose key is not in `held`, all items whose key is)."""
    training = [[item for key, item in group if key not in held] for group in groups]
    return training, [item for group in groups for key, item in group if key in held]


def share_of(key: int, seed: int) -> float:
    """A number from 0 to 1 that belongs to a key: what streaming splits by, which cannot see all keys first."""
    return Random(f"{seed}/{key}").random()
