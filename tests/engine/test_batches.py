"""Padding and labels, and the loss that comes of them."""

from __future__ import annotations

import pytest

from reason_cli.api import Example, Text
from reason_cli.engine.batches import Collator
from reason_cli.engine.chat import Template, encode
from reason_cli.engine.tokens import IGNORED, TokenDataset
from reason_cli.errors import ReasonError


def examples(count):
    return [Example(f"question {n}", f"reasoning {n}", str(n)) for n in range(count)]


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

    rows = TokenDataset.of(encode(tokenizer, [*examples(3), Text("hi")], Template()))
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
