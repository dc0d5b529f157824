"""Which rows watch the loss and are not trained on. Rows that ask the same question stay on one side."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from reason_cli.api import Chat, Example, Item
from reason_cli.engine.contamination import question_key


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


def split_held_out(groups: Sequence[Sequence[Item]], share: float, seed: int) -> tuple[list[list[Item]], list[Item]]:
    """(what is trained on, by group; what is held out): seeded, whatever the order of the rows.

    At least one question is held out if `share` is over 0 and there are two or more.
    """
    keys = [[key_of(item) for item in group] for group in groups]
    ordered = sorted({key for own in keys for key in own})
    Random(seed).shuffle(ordered)
    count = max(1, round(share * len(ordered))) if share and len(ordered) > 1 else 0
    return divide(groups, set(ordered[:count]), keys)


def divide(
    groups: Sequence[Sequence[Item]], held: set[int], keys: Sequence[Sequence[int]] | None = None
) -> tuple[list[list[Item]], list[Item]]:
    """(items by group whose key is not in `held`, all items whose key is)."""
    keys = keys if keys is not None else [[key_of(item) for item in group] for group in groups]
    pairs = [list(zip(group, own, strict=True)) for group, own in zip(groups, keys, strict=True)]
    training = [[item for item, key in group if key not in held] for group in pairs]
    return training, [item for group in pairs for item, key in group if key in held]


def share_of(key: int, seed: int) -> float:
    """A number from 0 to 1 that belongs to a key: what streaming splits by, which cannot see all keys first."""
    return Random(f"{seed}/{key}").random()
