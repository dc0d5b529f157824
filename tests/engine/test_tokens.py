"""Items to token ids: length limit, pieces of long texts, what is kept on disk."""

from __future__ import annotations

import os

import numpy as np
import pytest
from support import Said

from reason_cli.api import Chat, Example, Text, Turn
from reason_cli.engine import token_cache
from reason_cli.engine.chat import Template, encode
from reason_cli.engine.token_cache import TokenCache
from reason_cli.engine.tokens import CHUNK, Encoder, TokenDataset, encoded, tokenise
from reason_cli.errors import ReasonError

NOWHERE = TokenCache(None)


def examples(count):
    return [Example(f"question {n}", f"reasoning {n}", str(n)) for n in range(count)]


def asked(length):
    """A question that is so many tokens longer than an empty one."""
    return Example("x" * length, "", "1")


LIMIT = 48  # tokens of asked(9)


def ids(tokenizer, groups, limit, refuse=False, said=None, cache=NOWHERE, template=Template()):  # noqa: B008
    encoder = Encoder(tokenizer, template, limit)
    return tokenise(encoder, groups, refuse_long=refuse, cache=cache, report=said or Said())


# --- length ----------------------------------------------------------------------------------------------------


def lengths(tokenizer, items, limit, refuse=False, said=None):
    return list(ids(tokenizer, [items], limit, refuse, said).lengths)


def test_long_examples_are_dropped_and_counted_never_cut(tokenizer):
    items = [asked(n) for n in (5, 9, 10, 200)]
    said = Said()
    assert lengths(tokenizer, items, LIMIT, said=said) == [LIMIT - 4, LIMIT]
    assert said.warnings == [f"dropped 2 of 4 examples over max_seq_len {LIMIT} (longest {LIMIT + 191})"]


def test_long_examples_are_refused_on_request(tokenizer):
    longest = LIMIT + 191
    match = rf"1 of 2 examples .* max_seq_len {LIMIT} .*{longest}.*max_seq_len={longest}, or --too-long"
    with pytest.raises(ReasonError, match=match):
        lengths(tokenizer, [asked(1), asked(200)], LIMIT, refuse=True)


def test_nothing_left_is_an_error(tokenizer):
    with pytest.raises(ReasonError, match=r"2 of 2 examples"):
        lengths(tokenizer, [asked(100), asked(200)], LIMIT)


def test_token_counts(tokenizer):
    rows = ids(tokenizer, [[Text("abc"), *examples(1)]], 500)
    assert rows.tokens == sum(rows.lengths)
    assert rows.trained_tokens == 4 + len("reasoning 0") + len("\n\n**Final Answer:** 0") + 2 + 2 + 1


def test_a_long_text_becomes_pieces_and_nothing_of_it_is_lost(tokenizer):
    text = "abcdefghij" * 5
    rows = ids(tokenizer, [[Text(text), Text("kl")]], 16)
    assert list(rows.lengths) == [16, 16, 16, 3, 3]
    assert tokenizer.decode(np.concatenate([rows[i]["input_ids"] for i in range(4)])) == text + "<|im_end|>"
    assert all((rows[i]["labels"] == rows[i]["input_ids"]).all() for i in range(5))


def test_an_item_with_nothing_to_learn_is_no_row(tokenizer):
    silent = Chat((Turn("user", "Hi"),))
    assert len(ids(tokenizer, [[silent, *examples(2)]], 200)) == 2
    with pytest.raises(ReasonError, match="no row has anything to learn"):
        ids(tokenizer, [[silent]], 200)


def test_each_row_knows_its_source(tokenizer):
    rows = ids(tokenizer, [examples(3), [], [Text("x" * 40)]], 200)
    assert rows.sources.tolist() == [0, 0, 0, 2]


def test_rows_come_in_order_from_any_number_of_chunks(tokenizer):
    items = examples(2 * CHUNK + 7)
    encoder = Encoder(tokenizer, Template(), 500)
    seen = [(item, rows) for item, rows in encoded(encoder, iter(items))]
    assert [item for item, _ in seen] == items
    assert [rows[0] for _, rows in seen[::500]] == encode(tokenizer, items[::500], Template())
    rows = ids(tokenizer, [items], 500)
    assert len(rows) == len(items) and rows[CHUNK]["input_ids"].tolist() == seen[CHUNK][1][0].input_ids


def test_labels_of_a_conversation_are_in_turn_given_and_learned(tokenizer):
    chat = Chat(tuple(Turn(role, text) for text in "ab" for role in ("user", "assistant")))
    dataset = TokenDataset.of(encode(tokenizer, [*examples(1), chat, *examples(1)], Template()))
    labels = dataset[1]["labels"]
    assert tokenizer.decode(labels[labels >= 0]) == "a<|im_end|>b<|im_end|>"
    assert (dataset[0]["labels"] == dataset[2]["labels"]).all()
    assert dataset.trained_tokens == sum(int((dataset[i]["labels"] >= 0).sum()) for i in range(3))


# --- on disk -----------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path):
    return TokenCache(tmp_path / "tokens")


def same(one, other):
    return all((getattr(one, name) == getattr(other, name)).all() for name in ("ids", "lengths", "borders", "sources"))


def test_the_same_rows_are_taken_from_disk(tokenizer, cache):
    said, again = Said(), Said()
    first = ids(tokenizer, [examples(5)], 200, cache=cache, said=said)
    second = ids(tokenizer, [examples(5)], 200, cache=cache, said=again)
    assert same(first, second) and isinstance(second.ids, np.memmap)
    assert not said.lines and "taken from" in again.lines[0]


@pytest.mark.parametrize(
    "change",
    [
        {"groups": [examples(6)]},
        {"groups": [examples(2), examples(5)[2:]]},
        {"limit": 300},
        {"template": Template("hash")},
        {"template": Template(system_prompt="Be brief.")},
    ],
)
def test_anything_else_is_another_entry(tokenizer, cache, change):
    given = {"groups": [examples(5)], "limit": 200}
    ids(tokenizer, cache=cache, **given)
    said = Said()
    ids(tokenizer, cache=cache, said=said, **given | change)
    assert not any("taken from" in line for line in said.lines)


def test_another_tokenizer_or_chat_template_is_another_entry(tokenizer, cache):
    import copy

    from reason_cli.engine import tokenizers

    ids(tokenizer, [examples(5)], 200, cache=cache)
    other = copy.deepcopy(tokenizer)
    other.chat_template = "{{ '' }}" + other.chat_template
    for changed in (other, tokenizers.build("bpe:300", ["question reasoning"] * 9)):
        said = Said()
        ids(changed, [examples(5)], 200, cache=cache, said=said)
        assert not said.lines


def test_what_was_dropped_is_said_again(tokenizer, cache):
    for _ in range(2):
        said = Said()
        ids(tokenizer, [[asked(9), asked(99)]], LIMIT, cache=cache, said=said)
        assert len(said.warnings) == 1 and "dropped 1 of 2" in said.warnings[0]
    with pytest.raises(ReasonError, match="1 of 2 examples"):
        ids(tokenizer, [[asked(9), asked(99)]], LIMIT, refuse=True, cache=cache)


def test_a_refusal_leaves_nothing_behind(tokenizer, cache):
    with pytest.raises(ReasonError):
        ids(tokenizer, [[asked(99)]], LIMIT, cache=cache)
    assert not cache.folder.exists()


def test_a_failure_half_way_leaves_nothing_behind(tokenizer, cache, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    assert len(ids(tokenizer, [examples(5)], 200, cache=cache)) == 5, "the run goes on"
    assert list(cache.folder.iterdir()) == []


def test_a_broken_entry_counts_as_none(tokenizer, cache):
    first = ids(tokenizer, [examples(5)], 200, cache=cache)
    (entry,) = cache.folder.iterdir()
    (entry / "ids.npy").write_bytes(b"x")
    assert same(first, ids(tokenizer, [examples(5)], 200, cache=cache))


def test_the_entry_used_longest_ago_goes_first(tokenizer, cache, monkeypatch):
    ids(tokenizer, [examples(5)], 200, cache=cache)
    (old,) = cache.folder.iterdir()
    os.utime(old, (1, 1))
    size = sum(file.stat().st_size for file in old.glob("*"))
    monkeypatch.setattr(token_cache, "MOST_BYTES", int(1.5 * size))
    ids(tokenizer, [examples(5)[1:]], 200, cache=cache)
    (left,) = cache.folder.iterdir()
    assert left != old
