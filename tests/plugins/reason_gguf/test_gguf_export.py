"""`reason export gguf`: the file, what it says when it is read again, and what cannot be written."""

import pytest
import torch
from reason_gguf import vocabulary
from reason_gguf.exporter import Gguf, GgufOptions
from reason_gguf.tensors import unknown
from support import run
from transformers import LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM

from reason_cli import ReasonError
from reason_cli.engine import tokenizers
from reason_cli.testing import byte_tokenizer, check_exporter

pytestmark = pytest.mark.xdist_group("gguf")  # what one fixture exports, all of them read

# The largest difference of a logit, as a share of the largest, that rounding the matrices explains.
ROUNDING = {"f32": 1e-6, "f16": 1e-3, "bf16": 1e-2, "q8_0": 1e-2}


def test_the_contract(source):
    check_exporter(Gguf(), source("bytes").model)


@pytest.mark.parametrize("kind", ROUNDING)
@pytest.mark.parametrize("spec", ["bpe:512", "bytes"])
def test_what_is_read_again_says_what_the_model_says(source, written, kind, spec):
    exported = Gguf().load(written(kind, spec=spec), 1)
    ids = torch.arange(200)[None]
    with torch.no_grad():
        ours = source(spec=spec).model(ids).logits
    theirs, state = exported.read(ids, None, None, False)
    assert (ours - theirs).abs().max() < ROUNDING[kind] * ours.abs().max()
    before, state = exported.read(ids[:, :150], None, None, True)
    for _ in range(2):  # a state stays as it is
        pieces, _ = exported.read(ids[:, 150:155], None, state, False)
        assert torch.allclose(pieces, theirs[:, 150:155], atol=1e-4)
    assert torch.allclose(before[:, 0], theirs[:, 149], atol=1e-4)


def fields(path):
    from gguf import GGUFReader

    reader = GGUFReader(path)
    return {name: field.contents() for name, field in reader.fields.items()}, {t.name: t for t in reader.tensors}


def test_what_the_file_says_of_the_model(source, written):
    keys, tensors = fields(written("q8_0") / "model.gguf")
    assert keys["general.architecture"] == "mamba" and keys["general.name"] == "Tiny"
    assert keys["mamba.embedding_length"] == 64 and keys["mamba.ssm.inner_size"] == 128
    assert keys["mamba.ssm.time_step_rank"] == 4 and keys["mamba.ssm.dt_b_c_rms"] is False
    assert keys["mamba.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)
    assert "output.weight" not in tensors and "token_embd.weight" in tensors, "a tied head is there once"
    types = {name: tensor.tensor_type.name for name, tensor in tensors.items()}
    assert types["token_embd.weight"] == types["blk.0.ssm_in.weight"] == types["blk.1.ssm_out.weight"] == "Q8_0"
    assert types["blk.0.ssm_a"] == types["blk.0.ssm_conv1d.weight"] == types["blk.0.ssm_dt.weight"] == "F32"
    assert tensors["blk.0.ssm_conv1d.weight"].shape.tolist() == [4, 128]
    assert (tensors["blk.0.ssm_a"].data < 0).all()


def test_what_the_file_says_of_the_tokenizer(source, written):
    tokenizer = source().tokenizer
    keys, _ = fields(written() / "model.gguf")
    tokens, types = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"]
    assert tokens == tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    assert {tokens[i] for i, kind in enumerate(types) if kind == 3} == {"<|im_start|>", "<|im_end|>", "<|endoftext|>"}
    assert {tokens[i] for i, kind in enumerate(types) if kind == 4} == {"<think>", "</think>"}
    assert keys["tokenizer.ggml.eos_token_id"] == tokenizer.eos_token_id
    assert keys["tokenizer.ggml.padding_token_id"] == tokenizer.pad_token_id
    assert keys["tokenizer.ggml.add_bos_token"] is False
    assert "<|im_start|>" in keys["tokenizer.chat_template"] and "generation %}" not in keys["tokenizer.chat_template"]


def test_rows_without_a_token_are_never_used(source):
    found = vocabulary.vocabulary(source("bytes").tokenizer, 264)
    assert found.tokens[261:] == ["[PAD261]", "[PAD262]", "[PAD263]"] and set(found.types[261:]) == {5}


def test_a_matrix_that_fits_no_block_is_f16(source, written):
    _, tensors = fields(written("q8_0", d_model=48) / "model.gguf")
    assert tensors["token_embd.weight"].tensor_type.name == "F16"


def test_a_head_of_its_own_is_written(source, tmp_path):
    from dataclasses import replace

    given = source("bytes")
    model = MambaForCausalLM(
        MambaConfig(vocab_size=261, hidden_size=32, num_hidden_layers=1, tie_word_embeddings=False)
    )
    Gguf().export(replace(given, model=model.eval()), tmp_path, GgufOptions(type="f32"))
    ids = torch.arange(50)[None]
    with torch.no_grad():
        assert torch.allclose(Gguf().load(tmp_path, 1).read(ids, None, None, False)[0], model(ids).logits, atol=1e-4)


def test_other_models_are_refused():
    llama = LlamaForCausalLM(LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                                         num_attention_heads=1))  # fmt: skip
    assert unknown(llama) == "it is a llama, and this writes Mamba alone"
    sizes = {"vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 1}
    assert "twice as wide inside, and this one is 8 of 8" in unknown(MambaForCausalLM(MambaConfig(expand=1, **sizes)))
    assert "none in its projections" in unknown(MambaForCausalLM(MambaConfig(use_bias=True, **sizes)))
    assert unknown(MambaForCausalLM(MambaConfig(**sizes))) == ""


def test_a_llama_is_refused_on_the_command_line(tmp_path):
    from small_llama import save_llama

    folder = save_llama(byte_tokenizer(), tmp_path / "llama")
    result = run("export", "gguf", "--checkpoint", folder, "--output", tmp_path / "out")
    assert result.code == 1 and not (tmp_path / "out").exists()
    assert "gguf cannot take llama: it is a llama, and this writes Mamba alone; gguf takes mamba" in result.err


def test_tokenizers_that_llama_cpp_cuts_otherwise_are_refused(source):
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    assert (tokenizers.SPLIT,) == vocabulary.SPLITS, "what `bpe:SIZE` cuts by"
    assert vocabulary.unreadable(source().tokenizer) == vocabulary.unreadable(source("bytes").tokenizer) == ""
    other = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    for cuts, word in (
        (gpt2, ""),
        (pre_tokenizers.ByteLevel(add_prefix_space=True), "no byte-level BPE as GPT-2's"),
        (pre_tokenizers.Whitespace(), "no byte-level BPE as GPT-2's"),
        (pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"\d{3}"), "isolated"), gpt2]), "otherwise than GPT-2's"),
    ):
        other.pre_tokenizer = cuts
        assert word in vocabulary.unreadable(PreTrainedTokenizerFast(tokenizer_object=other))


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("reason_gguf.exporter.find_spec", lambda name: None)
    result = run("export", "gguf", "--checkpoint", tmp_path)
    assert result.code == 1
    assert result.error_line.endswith('that are not installed; pip install "reason-cli[gguf]"')


def test_the_modelfile_writes_what_the_chat_template_writes(written):
    text = (written("f16", data=True) / "Modelfile").read_text()
    assert text.startswith('FROM ./model.gguf\nTEMPLATE """{{- range $i, $_ := .Messages }}')
    assert "<|im_start|>assistant\n<think>\n{{ end }}" in text
    assert 'SYSTEM """Say "yes"."""' in text and 'PARAMETER stop "<|im_end|>"' in text


def test_the_readme_says_how_to_run_it(written):
    text = (written("f16", data=True) / "README.md").read_text()
    assert "llama-cli -m model.gguf -sys 'Say \"yes\".'" in text and "ollama create tiny -f Modelfile" in text
    assert "'<think>\\n' to begin with" in text


def test_a_file_that_is_cut_or_gone_is_one_line(written):
    file = written() / "model.gguf"
    whole = file.read_bytes()
    for size in (0, 3, 500, 50_000):
        file.write_bytes(whole[:size])
        with pytest.raises(ReasonError, match=r"cannot read .*model\.gguf: .*; export it anew"):
            Gguf().load(file.parent, 1)
    file.unlink()
    with pytest.raises(ReasonError, match=r"has no model\.gguf; export it anew"):
        Gguf().load(file.parent, 1)
