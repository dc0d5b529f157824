"""Held-out split, length limit, padding and labels, and the loss that comes of them."""

from __future__ import annotations

import pytest
from support import Said

from reason_cli.api import Example, Text
from reason_cli.engine.data import IGNORED, Collator, split_held_out, tokenise
from reason_cli.errors import ReasonError


def examples(count):
    return [Example(f"question {n}", f"reasoning {n}", str(n)) for n in range(count)]


# --- held out --------------------------------------------------------------------------------------------------


def test_every_item_is_on_one_side(seed=3):
    items = examples(100)
    training, held = split_held_out(items, 0.1, seed)
    assert len(held) == 10 and len(training) == 90
    assert sorted(i.question for i in training + held) == sorted(i.question for i in items)


def test_the_split_is_seeded():
    items = examples(100)
    assert split_held_out(items, 0.1, 1) == split_held_out(items, 0.1, 1)
    assert split_held_out(items, 0.1, 1) != split_held_out(items, 0.1, 2)


def test_the_split_does_not_depend_on_the_order_of_the_rows():
    items = examples(100)
    _, held = split_held_out(items, 0.1, 1)
    _, again = split_held_out(list(reversed(items)), 0.1, 1)
    assert {i.question for i in held} == {i.question for i in again}


def test_one_question_is_never_on_both_sides():
    items = [Example(f"question  {n % 10}" if n % 2 else f" question {n % 10}\n", f"way {n}", "1") for n in range(200)]
    for seed in range(5):
        training, held = split_held_out(items, 0.3, seed)
        asked = [{" ".join(i.question.split()) for i in side} for side in (training, held)]
        assert asked[0] and asked[1] and not asked[0] & asked[1]
        assert len(training) + len(held) == 200


@pytest.mark.parametrize(("count", "share", "held"), [(1, 0.5, 0), (2, 0.01, 1), (50, 0.0, 0), (50, 0.01, 1)])
def test_how_many_are_held_out(count, share, held):
    assert len(split_held_out(examples(count), share, 0)[1]) == held


# --- length ----------------------------------------------------------------------------------------------------


def lengths(tokenizer, items, limit, refuse=False, said=None):
    rows = tokenise(tokenizer, items, system_prompt="", max_seq_len=limit, refuse_long=refuse, report=said or Said())
    return rows.lengths


def test_long_examples_are_dropped_and_counted_never_cut(tokenizer):
    items = [Text("x" * n) for n in (5, 9, 10, 200)]  # the end token is one more
    said = Said()
    assert lengths(tokenizer, items, 10, said=said) == [6, 10]
    assert said.warnings == ["dropped 2 of 4 examples over max_seq_len 10 (longest 201)"]


def test_long_examples_are_refused_on_request(tokenizer):
    with pytest.raises(ReasonError, match=r"1 of 2 examples .* max_seq_len 10 .*201.*max_seq_len=201, or --too-long"):
        lengths(tokenizer, [Text("x"), Text("x" * 200)], 10, refuse=True)


def test_nothing_left_is_an_error(tokenizer):
    with pytest.raises(ReasonError, match=r"2 of 2 examples"):
        lengths(tokenizer, [Text("x" * 100), Text("x" * 200)], 10)


def test_token_counts(tokenizer):
    rows = tokenise(
        tokenizer, [Text("abc"), *examples(1)], system_prompt="", max_seq_len=500, refuse_long=True, report=Said()
    )
    assert rows.tokens == sum(rows.lengths)
    assert rows.trained_tokens == 4 + len("reasoning 0") + len("\n\n**Final Answer:** 0") + 2 + 2 + 1


# --- batches ---------------------------------------------------------------------------------------------------


def row(ids, border=0):
    return {"input_ids": ids, "labels": [IGNORED] * border + ids[border:]}


def test_a_batch_is_padded_on_the_right_and_padding_is_masked():
    batch = Collator(pad_token_id=99)([row([1, 2, 3, 4], 2), row([5, 6], 1)])
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4], [5, 6, 99, 99]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch["labels"].tolist() == [[-100, -100, 3, 4], [-100, 6, -100, -100]]


def test_a_token_that_looks_like_padding_is_trained_where_it_stands():
    batch = Collator(pad_token_id=4)([row([1, 2, 4], 1)])
    assert batch["labels"].tolist() == [[-100, 2, 4]] and batch["attention_mask"].tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("rows", [[row([1, 2], 2)], [row([1], 0)], [row([1, 2], 2), row([3], 0)]])
def test_a_batch_without_a_trained_token_stops(rows):
    with pytest.raises(ReasonError, match="no trained token: every label is masked"):
        Collator(0)(rows)


def test_padding_is_never_the_end(tokenizer):
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_the_loss_is_the_mean_over_trained_tokens_alone(tokenizer, model):
    """Against cross-entropy written out: neither prompt nor padding counts."""
    import torch

    rows = tokenise(
        tokenizer, [*examples(3), Text("hi")], system_prompt="", max_seq_len=256, refuse_long=True, report=Said()
    )
    batch = Collator(tokenizer.pad_token_id)([rows[i] for i in range(4)])
    with torch.no_grad():
        loss = model(**batch).loss
        total, count = 0.0, 0
        for encoded in (rows[i] for i in range(4)):
            ids, labels = (torch.tensor(encoded[name]).long() for name in ("input_ids", "labels"))
            scores = model(input_ids=ids[None]).logits[0].log_softmax(-1)
            for position in range(1, len(ids)):
                if labels[position] != IGNORED:
                    total -= float(scores[position - 1, ids[position]])
                    count += 1
    assert float(loss) == pytest.approx(total / count, rel=1e-4)
