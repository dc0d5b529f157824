"""Which rows watch the loss: seeded, and one question never on both sides."""

from __future__ import annotations

import pytest

from reason_cli.api import Chat, Example, Text, Turn
from reason_cli.engine.held_out import divide, key_of, keyed, share_of, split_held_out


def examples(count):
    return [Example(f"question {n}", f"reasoning {n}", str(n)) for n in range(count)]


def split(items, share, seed):
    (training,), held = split_held_out([keyed(items)], share, seed)
    return training, held


def test_every_item_is_on_one_side(seed=3):
    items = examples(100)
    training, held = split(items, 0.1, seed)
    assert len(held) == 10 and len(training) == 90
    assert sorted(i.question for i in training + held) == sorted(i.question for i in items)


def test_the_split_is_seeded():
    items = examples(100)
    assert split(items, 0.1, 1) == split(items, 0.1, 1)
    assert split(items, 0.1, 1) != split(items, 0.1, 2)


def test_the_split_does_not_depend_on_the_order_of_the_rows():
    items = examples(100)
    _, held = split(items, 0.1, 1)
    _, again = split(list(reversed(items)), 0.1, 1)
    assert {i.question for i in held} == {i.question for i in again}


def test_one_question_is_never_on_both_sides():
    items = [Example(f"question  {n % 10}" if n % 2 else f" question {n % 10}\n", f"way {n}", "1") for n in range(200)]
    for seed in range(5):
        training, held = split(items, 0.3, seed)
        asked = [{" ".join(i.question.split()) for i in side} for side in (training, held)]
        assert asked[0] and asked[1] and not asked[0] & asked[1]
        assert len(training) + len(held) == 200


@pytest.mark.parametrize(("count", "share", "held"), [(1, 0.5, 0), (2, 0.01, 1), (50, 0.0, 0), (50, 0.01, 1)])
def test_how_many_are_held_out(count, share, held):
    assert len(split(examples(count), share, 0)[1]) == held


def test_case_and_punctuation_do_not_make_another_question():
    items = [
        Example(text, "", "1") for n in range(50) for text in (f"How many, {n}?", f"how many {n}", f"HOW MANY: {n}!")
    ]
    training, held = split(items, 0.3, 1)
    assert len(held) % 3 == 0 and len(training) % 3 == 0 and len(held) == 45


def test_one_question_in_two_sources_is_on_one_side():
    groups = [keyed(examples(60)), keyed(reversed(examples(60)))]
    training, held = split_held_out(groups, 0.2, 4)
    assert [len(group) for group in training] == [48, 48] and len(held) == 24
    assert not {i.question for group in training for i in group} & {i.question for i in held}


def test_rows_to_watch_by_are_taken_out_of_training():
    (training,), held = divide([keyed(examples(10))], {key_of(item) for item in examples(3)})
    assert [i.answer for i in held] == ["0", "1", "2"] and len(training) == 7


def test_every_kind_of_item_has_a_key():
    question = Example("What is it?", "", "1")
    chat = Chat((Turn("user", "what is it"), Turn("assistant", "a thing")))
    assert key_of(question) == key_of(chat) == key_of(Text("What is it"))
    assert key_of(question) != key_of(Text("What is that"))


def test_a_stream_splits_by_a_share_of_all_keys():
    held = sum(share_of(key_of(item), 0) < 0.1 for item in examples(2_000))
    assert 140 < held < 260
    assert share_of(5, 0) == share_of(5, 0) != share_of(5, 1)
