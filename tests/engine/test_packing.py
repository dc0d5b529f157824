"""Rows that share one: nothing lost, nothing learned across a border."""

from __future__ import annotations

import random

import numpy as np
import pytest

from reason_cli.api import Example, Text
from reason_cli.engine.batches import Collator
from reason_cli.engine.chat import Template, encode
from reason_cli.engine.packing import best_fit, join, pack
from reason_cli.engine.tokens import IGNORED, TokenDataset


@pytest.fixture
def rows(tokenizer):
    draw = random.Random(1)
    items = [Text("x" * draw.randrange(1, 60)) for _ in range(40)]
    items += [Example("q" * n, "", "1") for n in range(1, 9)]
    return TokenDataset.of(encode(tokenizer, items, Template()), [0] * 20 + [1] * 28)


def test_every_row_is_in_one_packed_row_and_none_is_too_long(rows):
    packed = pack(rows, 128, 0, texts_only=False)
    assert sorted(row for group in packed.groups for row in group) == list(range(48))
    assert max(packed.lengths) <= 128 and packed.lengths.sum() == rows.tokens
    assert [len(packed[i]["input_ids"]) for i in range(len(packed))] == packed.lengths.tolist()
    assert len(packed) < 0.6 * len(rows)


def test_questions_stay_alone_unless_asked(rows):
    packed = pack(rows, 128, 0, texts_only=True)
    alone = [group for group in packed.groups if group[0] >= 40]
    assert sorted(alone) == [[n] for n in range(40, 48)]


def test_sources_do_not_mix(rows):
    packed = pack(rows, 128, 0, texts_only=False)
    for group, source in zip(packed.groups, packed.sources, strict=True):
        assert {int(rows.sources[row]) for row in group} == {int(source)}


def test_packing_is_seeded(rows):
    assert pack(rows, 128, 0, texts_only=True).groups == pack(rows, 128, 0, texts_only=True).groups


def test_best_fit_wastes_little():
    draw = random.Random(0)
    lengths = [draw.randrange(5, 300) for _ in range(3_000)]
    bins = best_fit(range(3_000), lengths, 1_024)
    assert sum(lengths) / (len(bins) * 1_024) > 0.98
    assert all(sum(lengths[row] for row in group) <= 1_024 for group in bins)


def test_a_document_begins_at_position_0_and_its_first_token_is_not_learned():
    one = {"input_ids": np.array([1, 2, 3], np.int32), "labels": np.array([1, 2, 3], np.int32)}
    two = {"input_ids": np.array([4, 5], np.int32), "labels": np.array([IGNORED, 5], np.int32)}
    joined = join([one, two])
    assert joined["input_ids"].tolist() == [1, 2, 3, 4, 5]
    assert joined["position_ids"].tolist() == [0, 1, 2, 0, 1]
    assert joined["labels"].tolist() == [IGNORED, 2, 3, IGNORED, 5]
    assert one["labels"].tolist() == [1, 2, 3], "the rows themselves are left as they are"


def test_padding_of_a_packed_batch_is_a_document_of_its_own():
    one = join([{"input_ids": np.array([1, 2, 3], np.int32), "labels": np.array([1, 2, 3], np.int32)}])
    plain = {"input_ids": np.array([7, 8, 9, 7, 8], np.int32), "labels": np.array([IGNORED, 8, 9, 7, 8], np.int32)}
    batch = Collator(99)([one, plain])
    assert "attention_mask" not in batch
    assert batch["input_ids"].tolist() == [[1, 2, 3, 99, 99], [7, 8, 9, 7, 8]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1], [0, 1, 2, 3, 4]]
    assert batch["labels"].tolist() == [[IGNORED, 2, 3, IGNORED, IGNORED], [IGNORED, 8, 9, 7, 8]]


def mamba(tokenizer):
    import torch
    from reason_mamba.architecture import Mamba, MambaOptions

    torch.manual_seed(0)
    return Mamba().build(MambaOptions(d_model=32, n_layer=2, dropout=0.0), tokenizer)


def llama(tokenizer):
    import torch

    from reason_cli.testing import TinyLlama, TinyLlamaOptions

    torch.manual_seed(0)
    return TinyLlama().build(TinyLlamaOptions(max_seq_len=256), tokenizer)


@pytest.mark.parametrize("build", [mamba, llama])
def test_a_packed_batch_has_the_loss_and_gradient_of_its_documents_alone(tokenizer, build):
    import torch

    items = [Text("one two three"), Text("x"), Text("and another document"), Text("last"), Example("2 + 2?", "", "4")]
    rows = TokenDataset.of(encode(tokenizer, items, Template()))
    model = build(tokenizer).train()
    trained = sum(int((rows[i]["labels"][1:] != IGNORED).sum()) for i in range(len(rows)))

    def gradient(batches):
        model.zero_grad()
        total = sum(model(**batch, num_items_in_batch=torch.tensor(trained)).loss for batch in batches)
        total.backward()
        return float(total.detach()), {name: p.grad.clone() for name, p in model.named_parameters()}

    collate = Collator(tokenizer.pad_token_id)
    packed = pack(rows, 256, 0, texts_only=True)
    loss, whole = gradient([collate([packed[i] for i in range(len(packed))])])
    expected, alone = gradient([collate([rows[i]]) for i in range(len(rows))])
    assert loss == pytest.approx(expected, rel=1e-5)
    for name, grad in alone.items():
        assert float((whole[name] - grad).norm()) <= 1e-5 * float(grad.norm()) + 1e-8, name


@pytest.mark.parametrize("build", [mamba, llama])
def test_accumulating_four_batches_of_one_is_the_gradient_of_one_of_four(tokenizer, build):
    import torch

    items = [Example("q" * n, "r" * (n * n), str(n)) for n in (1, 3, 6, 9)]
    rows = TokenDataset.of(encode(tokenizer, items, Template()))
    model = build(tokenizer).train()
    trained = torch.tensor(sum(int((rows[i]["labels"] != IGNORED).sum()) for i in range(4)))
    collate = Collator(tokenizer.pad_token_id)

    def gradient(batches):
        model.zero_grad()
        for batch in batches:
            model(**batch, num_items_in_batch=trained).loss.backward()
        return {name: p.grad.clone() for name, p in model.named_parameters()}

    whole = gradient([collate([rows[i] for i in range(4)])])
    parts = gradient([collate([rows[i]]) for i in range(4)])
    for name, grad in whole.items():
        assert float((parts[name] - grad).norm()) <= 1e-5 * float(grad.norm()), name
