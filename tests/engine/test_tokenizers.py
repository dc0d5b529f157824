"""Tokenizers made on the spot: every text survives, digits stand alone, sizes are known beforehand."""

from __future__ import annotations

from itertools import product

import pytest
from support import Said
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from reason_cli.engine import tokenizers
from reason_cli.errors import ReasonError

WORDS = ["".join(letters) for letters in product("bdkm", "aeio", "lnrst", ["ing", "er"])]
TEXTS = [f"Ada has {n} apples and a {WORDS[n % len(WORDS)]}. {n} + {n + 7} = {2 * n + 7}\n" for n in range(300)]
NASTY = ["", " ", "é漢字🎉\u202e", "tabs\t\r\n\n\n  and   spaces ", "\0\x01", "don't 12,345.67%", "<think>x</think>"]


@pytest.fixture(scope="module")
def bpe():
    return tokenizers.build("bpe:400", TEXTS)


def test_sizes_are_what_was_said(tokenizer, bpe):
    assert len(tokenizer) == tokenizers.vocab_size("bytes") == 261
    assert len(bpe) == tokenizers.vocab_size("bpe:400") == 400


def test_a_bpe_that_runs_out_of_pairs_is_smaller_than_asked():
    assert 261 < len(tokenizers.build("bpe:5000", ["a few words"])) < 300


def test_gpt2s_size_is_known_without_a_network():
    assert tokenizers.vocab_size("openai-community/gpt2") == 50257 + 4


@pytest.mark.parametrize("text", NASTY)
def test_every_text_decodes_to_itself(tokenizer, bpe, text):
    for each in (tokenizer, bpe):
        ids = each(text, add_special_tokens=False)["input_ids"]
        assert each.decode(ids) == text


def test_a_trained_one_is_shorter_and_splits_digits(tokenizer, bpe):
    text = "Ada has 1234 apples"
    ids = bpe(text, add_special_tokens=False)["input_ids"]
    assert len(ids) < len(text)
    tokens = [bpe.decode([i]) for i in ids]
    assert [t.strip() for t in tokens if any(c.isdigit() for c in t)] == ["1", "2", "3", "4"]


def test_training_is_the_same_each_time(bpe):
    assert tokenizers.build("bpe:400", TEXTS).get_vocab() == bpe.get_vocab()


def test_special_tokens_are_single_and_apart(tokenizer, bpe):
    for each in (tokenizer, bpe):
        for text in ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>"):
            assert len(each(text, add_special_tokens=False)["input_ids"]) == 1
        assert each.eos_token == "<|im_end|>" and each.pad_token == "<|endoftext|>"


def test_a_saved_one_comes_back_with_its_template(bpe, tmp_path):
    bpe.save_pretrained(tmp_path)
    loaded = tokenizers.load(str(tmp_path))
    turns = [{"role": "user", "content": "2 + 2?"}]
    how = {"tokenize": False, "add_generation_prompt": True}
    assert loaded.apply_chat_template(turns, **how) == bpe.apply_chat_template(turns, **how)
    assert loaded.get_vocab() == bpe.get_vocab()
    assert (loaded.eos_token, loaded.pad_token, loaded.padding_side) == (bpe.eos_token, bpe.pad_token, "left")


def test_a_pretrained_one_without_template_or_padding_gets_both(bpe, tmp_path):
    bpe.chat_template = None
    bpe.pad_token = bpe.eos_token
    bpe.save_pretrained(tmp_path)
    bpe.chat_template, bpe.pad_token = tokenizers.CHATML, tokenizers.PAD
    said = Said()
    built = tokenizers.build(str(tmp_path), (), report=said)
    assert built.chat_template and built.eos_token and built.pad_token
    assert built.pad_token_id != built.eos_token_id
    assert said.lines == ["the tokenizer has no chat template: conversations are written as ChatML"]


def test_what_chatml_adds_is_said(tmp_path):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"a": 0, "<eos>": 1}, "a")))
    tokenizer.eos_token = "<eos>"
    tokenizer.save_pretrained(tmp_path)
    said = Said()
    built = tokenizers.build(str(tmp_path), (), report=said)
    assert said.lines[0].endswith("ChatML; 4 tokens of that are new to it")
    assert built.eos_token == tokenizers.END and len(built) == 2 + 4 + 1  # the last is what it pads with


def test_of_one_that_has_a_template_nothing_is_said(bpe, tmp_path):
    bpe.save_pretrained(tmp_path)
    said = Said()
    tokenizers.build(str(tmp_path), (), report=said)
    assert said.lines == []


@pytest.mark.parametrize("spec", ["bpe:", "bpe:ten", "bpe:100", "bpe:-5", "bpe"])
def test_bad_specs(spec):
    with pytest.raises(ReasonError):
        tokenizers.build(spec, TEXTS)


def test_one_that_is_nowhere_names_the_ways_out():
    with pytest.raises(ReasonError, match=r"cannot load tokenizer 'nobody/none'.*bpe:8192 or bytes"):
        tokenizers.build("nobody/none", ())
