"""What llama.cpp makes of the file: the same tokens of the same texts, the same conversation, the same answers."""

from dataclasses import replace

import pytest
import torch
from reason_gguf import llama_cpp
from reason_gguf.exporter import Gguf

from reason_cli import ReasonError
from reason_cli.engine.chat import Template
from reason_cli.engine.export import prompts_for

pytestmark = pytest.mark.skipif(not llama_cpp.installed(), reason="xllamacpp is not installed")

# Of log-probabilities. llama.cpp rounds what goes into a product as it did the matrix.
ROUNDING = {"f32": 1e-4, "f16": 0.02, "bf16": 0.1, "q8_0": 0.3}


@pytest.mark.parametrize("kind", ROUNDING)
@pytest.mark.parametrize("spec", ["bpe:512", "bytes"])
def test_it_says_the_same(source, written, kind, spec):
    given = source(spec=spec)
    prompts = prompts_for(given, Template())
    found = Gguf().prove(given, written(kind, spec=spec), prompts)
    assert found["llama_cpp_texts"] == len(llama_cpp.TEXTS) + len(prompts) and found["llama_cpp_conversations"] == 1
    assert found["llama_cpp_tokens"] > 300 and found["llama_cpp_token_agreement"] >= 0.97
    assert found["llama_cpp_largest_difference"] < ROUNDING[kind]


def test_texts_are_cut_into_the_same_tokens(source, written):
    running, tokenizer = llama_cpp.LlamaCpp(written() / "model.gguf"), source().tokenizer
    texts = [
        "1234567 12 3",
        "a\n\n\n  b \t c  ",
        "größer 東京 🙂 é",
        "<think>\n3 * 12 = 36\n</think>",
        "it's we'll I'D",
    ]
    for text in [*texts, "<|im_start|>user\nhi<|im_end|>\n", "", " ", "\n"]:
        assert running.cut(text) == tokenizer(text, add_special_tokens=False)["input_ids"], text


def test_it_generates_what_the_model_generates(source, written):
    given = source()
    running = llama_cpp.LlamaCpp(written() / "model.gguf")
    prompt = prompts_for(given, Template())[0]
    theirs = [token for token, _ in running.say(prompt, 64)]
    how = {"max_new_tokens": 64, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    ours = given.model.generate(torch.tensor([prompt]), **how)[0, len(prompt) :].tolist()
    assert theirs == ours[: len(theirs)] and len(theirs) > 30


def test_what_says_something_else_is_no_artefact(source, written):
    given = source("bytes")
    folder = written("f32", spec="bytes")
    prompts = prompts_for(given, Template())
    other = replace(given, model=source("bytes", d_model=32).model)
    with pytest.raises(ReasonError, match="not make of the file what Tiny is: log-probabilities differ"):
        Gguf().prove(other, folder, prompts)
    cuts = replace(given, tokenizer=source().tokenizer)
    with pytest.raises(ReasonError, match="it cuts 'Tom has 3 boxes"):
        Gguf().prove(cuts, folder, prompts)


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF of no kind")
    with pytest.raises(ReasonError, match="does not load"):
        llama_cpp.LlamaCpp(tmp_path / "model.gguf")


def test_without_it_nothing_is_proven(source, tmp_path, monkeypatch):
    monkeypatch.setattr(llama_cpp, "find_spec", lambda name: None)
    assert Gguf().prove(source(), tmp_path, []) == {}
