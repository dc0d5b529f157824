"""What is learned of real GSM8K rows, id by id. Needs REASON_DATA."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from reason_answers.number import Number
from reason_datasets.benchmarks import GSM8K

from reason_cli.engine import tokenizers
from reason_cli.engine.batches import Collator
from reason_cli.engine.chat import Template, assistant_turn, plain_texts, prompt_text
from reason_cli.engine.tokens import IGNORED, Encoder, TokenDataset

FOLDER = Path(os.environ.get("REASON_DATA", "")) / "gsm8k"
pytestmark = pytest.mark.skipif(
    not (FOLDER / "train.jsonl").is_file(), reason="REASON_DATA names no folder with gsm8k/"
)


def items(split, count=None):
    gsm8k = GSM8K()
    with (FOLDER / f"{split}.jsonl").open(encoding="utf-8") as file:
        return [gsm8k.format(json.loads(line), gsm8k.Options()) for line in islice(file, count)]


@pytest.mark.parametrize("spec", ["bytes", "bpe:4096"])
@pytest.mark.parametrize("style", ["think", "hash", "boxed", "plain"])
def test_the_learned_tokens_of_1000_rows_are_the_assistants_turn_and_its_end(spec, style):
    examples, template = items("train", 1_000), Template(style, "Solve it.")
    tokenizer = tokenizers.build(spec, plain_texts(examples, template))
    rows = TokenDataset.of([row for own in Encoder(tokenizer, template, 10**6).encode(examples) for row in own])
    assert len(rows) == 1_000
    for number, example in enumerate(examples):
        ids, labels = rows[number]["input_ids"], rows[number]["labels"]
        learned = labels != IGNORED
        assert tokenizer.decode(ids[learned]) == assistant_turn(example, Template(style)) + tokenizer.eos_token
        assert tokenizer.decode(ids[~learned]) == prompt_text(tokenizer, example.question, template)
        assert (np.diff(learned.astype(int)) >= 0).all() and (ids[learned] == labels[learned]).all()
    batch = Collator(tokenizer.pad_token_id)([rows[n] for n in range(16)])
    assert int((batch["labels"] != IGNORED).sum()) == sum(int((rows[n]["labels"] != IGNORED).sum()) for n in range(16))


@pytest.mark.parametrize("style", ["think", "hash", "boxed"])
def test_every_answer_is_read_back_from_its_turn(style):
    number = Number()
    read = [
        (example, number.extract(assistant_turn(example, Template(style))))
        for split in ("train", "test")
        for example in items(split)
    ]
    assert len(read) == 8_792
    assert not [example for example, found in read if found is None or found.value != example.answer]
