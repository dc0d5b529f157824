"""Any causal model as a checkpoint: whole, without its sampling habits, from a folder or the hub's cache."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from types import SimpleNamespace

import pytest

from reason_cli.config import HardwareOptions
from reason_cli.engine import hub
from reason_cli.engine.generate import Decoding, answer
from reason_cli.engine.subject import end_ids, fetch, load_pretrained, load_subject
from reason_cli.errors import ReasonError
from reason_cli.runs import Checkpoint
from reason_cli.testing import TinyLlama, TinyLlamaOptions

CPU = HardwareOptions(device="cpu", precision="fp32", threads=1)
KINDS = ("llama", "gpt2", "qwen2")
REVISION = "0123456789abcdef0123456789abcdef01234567"


def build(kind, tokenizer, **more):
    """A tiny model with random weights that are large enough to have opinions."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.4}
    if kind != "gpt2":
        shape |= {"num_key_value_heads": 1, "intermediate_size": 48}
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), max_position_embeddings=128, **shape, **ids, **more)
    return AutoModelForCausalLM.from_config(config).eval()


def save(folder, tokenizer, kind="qwen2", generation=None, **more):
    """A model's folder as its authors would publish it; `generation` is its generation_config.json."""
    build(kind, tokenizer, **more).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder


def logits(model, tokenizer, text="What is 2 + 2?"):
    import torch

    with torch.inference_mode():
        return model(torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])).logits


def most_likely(model, tokenizer, text, count):
    """Greedy decoding by its definition: the whole text anew for every token."""
    import torch

    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        for _ in range(count):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[-count:]


@pytest.fixture
def base_tokenizer(tokenizer):
    """As base models have it: no chat template, no pad token."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, eos_token="<|endoftext|>")


@pytest.fixture
def cache(monkeypatch):
    """The hub's cache, in which `add` puts a folder under an id; nobody may be asked."""
    from huggingface_hub import constants

    def refused(*arguments, **named):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    made = []

    def add(id, folder):
        place = hub.Path(constants.HF_HUB_CACHE) / f"models--{id.replace('/', '--')}"
        made.append(place)
        shutil.copytree(folder, place / "snapshots" / REVISION)
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(REVISION)

    yield add
    for place in made:
        shutil.rmtree(place)


# --- from a folder -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_any_causal_model_of_a_folder_says_what_its_weights_say(kind, tokenizer, tmp_path):
    import torch

    subject = load_pretrained(save(tmp_path / kind, tokenizer, kind), CPU)
    expected = logits(build(kind, tokenizer), tokenizer)
    assert torch.equal(logits(subject.model, subject.tokenizer), expected)
    assert (subject.checkpoint, subject.precision.name) == (str(tmp_path / kind), "fp32")
    assert not subject.model.training and subject.tokenizer.padding_side == "left"
    given = answer(subject.model, subject.tokenizer, ["2 + 2?", "a longer question?"], Decoding(max_new_tokens=4))
    assert all(1 <= one.tokens <= 4 for one in given)


def test_weights_take_the_type_of_the_precision(tokenizer, tmp_path):
    import torch

    folder = save(tmp_path, tokenizer)
    assert load_pretrained(folder, CPU).model.dtype == torch.float32
    asked = HardwareOptions(device="cpu", precision="bf16", threads=1)
    assert load_pretrained(folder, asked).model.dtype == torch.bfloat16


def test_a_base_models_tokenizer_gets_no_token_that_the_model_does_not_know(base_tokenizer, tmp_path):
    save(tmp_path, base_tokenizer, "gpt2")
    subject = load_pretrained(tmp_path, CPU)
    assert len(subject.tokenizer) == len(base_tokenizer) == subject.model.config.vocab_size
    assert not subject.tokenizer.chat_template
    assert subject.tokenizer.pad_token == subject.tokenizer.eos_token == "<|endoftext|>"


def test_an_answer_ends_where_learned_positions_do(tokenizer, tmp_path):
    subject = load_pretrained(save(tmp_path, tokenizer, "gpt2"), CPU)
    prompts = ["x" * 100, "x" * 90]
    given = answer(subject.model, subject.tokenizer, prompts, Decoding(max_new_tokens=60))
    assert [(one.tokens, one.finished) for one in given] == [(28, False), (28, False)]
    with pytest.raises(ReasonError, match="a prompt of 128 tokens does not fit in this model's context of 128"):
        answer(subject.model, subject.tokenizer, ["x" * 128], Decoding(max_new_tokens=1))


SAMPLING = {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 3.0}


def test_greedy_is_greedy_whatever_the_generation_config_says(tokenizer, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    folder = save(tmp_path, tokenizer, generation=SAMPLING)
    how = {"do_sample": False, "max_new_tokens": 24, "pad_token_id": tokenizer.pad_token_id}
    ids = torch.tensor([tokenizer("What is 2 + 2?", add_special_tokens=False)["input_ids"]])
    careless = AutoModelForCausalLM.from_pretrained(folder)
    expected = most_likely(careless, tokenizer, "What is 2 + 2?", 24)
    assert careless.generate(ids, **how)[0, ids.shape[1] :].tolist() != expected, "the penalty has an effect"

    subject = load_pretrained(folder, CPU)
    assert subject.model.generate(ids, **how)[0, ids.shape[1] :].tolist() == expected
    (given,) = answer(subject.model, subject.tokenizer, ["What is 2 + 2?"], Decoding(max_new_tokens=24))
    assert given.text == tokenizer.decode(expected, skip_special_tokens=True)


def test_a_known_architectures_checkpoint_has_no_sampling_habits_either(tokenizer, tmp_path):
    folder = save(tmp_path, tokenizer, "llama", generation=SAMPLING)
    subject = load_subject(TinyLlama(), TinyLlamaOptions(), CPU, folder)
    assert subject.model.generation_config.repetition_penalty is None
    assert subject.model.generation_config.do_sample is not True


def test_every_end_token_ends_an_answer(tokenizer, tmp_path):
    end, other = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    letter = tokenizer.convert_tokens_to_ids("!")
    for named, expected in [([end, other], (end, other)), (other, (end, other)), ([letter], (end,)), (None, (end,))]:
        folder = save(tmp_path, tokenizer, generation={"eos_token_id": named})
        subject = load_pretrained(folder, CPU)
        assert end_ids(subject.model, subject.tokenizer) == expected
        assert subject.model.generation_config.eos_token_id == list(expected)


# --- what is wrong with it ---------------------------------------------------------------------------------------


def test_weights_without_a_head_are_refused_not_made_up(tokenizer, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = save(tmp_path, tokenizer, "llama", tie_word_embeddings=False)
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ReasonError, match=r"lack 1 tensors of a causal language model, such as lm_head\.weight"):
        load_pretrained(folder, CPU)


def test_pickled_weights_are_never_read(tokenizer, tmp_path):
    import torch

    folder = save(tmp_path, tokenizer)
    (folder / "model.safetensors").unlink()
    torch.save(build("qwen2", tokenizer).state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(ReasonError, match="has no whole safetensors weights"):
        load_pretrained(folder, CPU)


def test_torn_weights_are_one_line(tokenizer, tmp_path):
    folder = save(tmp_path, tokenizer)
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(ReasonError, match=r"cannot load .* as a causal language model"):
        load_pretrained(folder, CPU)


@pytest.mark.parametrize("type", ["t5", "unheard-of"])
def test_what_is_no_causal_model_is_one_line(type, tokenizer, tmp_path):
    folder = save(tmp_path, tokenizer)
    (folder / "config.json").write_text(json.dumps({"model_type": type}))
    with pytest.raises(ReasonError, match="as a causal language model") as wrong:
        load_pretrained(folder, CPU)
    assert "\n" not in str(wrong.value)


def test_code_beside_the_weights_is_never_run(tokenizer, tmp_path, monkeypatch):
    folder = save(tmp_path, tokenizer)
    classes = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": classes}))
    (folder / "own.py").write_text("raise SystemExit('it was run')")
    monkeypatch.setattr("builtins.input", lambda *words: "y")  # what a person who does not look would answer
    with pytest.raises(ReasonError, match="as a causal language model"):
        load_pretrained(folder, CPU)


# --- from the hub ------------------------------------------------------------------------------------------------


def test_a_cached_model_is_found_by_its_id_and_nobody_is_asked(cache, tokenizer, tmp_path, monkeypatch):
    import torch
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # it may ask, and does not
    cache("tests/tiny", save(tmp_path, tokenizer))
    subject = load_pretrained("tests/tiny", CPU)
    assert subject.checkpoint == "tests/tiny"
    assert torch.equal(logits(subject.model, tokenizer), logits(build("qwen2", tokenizer), tokenizer))
    found = fetch(Checkpoint.find(hub.Path(f"tests/tiny@{REVISION}")))
    assert found.model_type == "qwen2" and found.path.name == REVISION
    assert load_pretrained("tests/tiny", CPU, REVISION).checkpoint == "tests/tiny"


def test_a_model_that_cannot_be_had_names_the_ways_out():
    line = r"model 'tests/none' is neither a folder here nor to be had from the hub: .*; check the name, or go online"
    with pytest.raises(ReasonError, match=line) as wrong:
        load_pretrained("tests/none", CPU)
    assert "\n" not in str(wrong.value)


def test_a_cache_that_holds_half_a_model_does_not_do(cache, tokenizer, tmp_path):
    folder = save(tmp_path, tokenizer)
    (folder / "model.safetensors").unlink()
    cache("tests/half", folder)
    with pytest.raises(ReasonError, match="'tests/half' has no whole safetensors weights"):
        load_pretrained("tests/half", CPU)


def test_a_folder_here_is_not_asked_for(tokenizer, tmp_path):
    checkpoint = Checkpoint.find(save(tmp_path, tokenizer))
    assert fetch(checkpoint) is checkpoint


# --- adapters ----------------------------------------------------------------------------------------------------


def adapter(folder, base, **more):
    """What peft writes of an adapter, without weights."""
    folder.mkdir()
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": str(base), **more}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    return folder


def test_an_adapter_without_peft_says_what_to_install(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    folder = adapter(tmp_path / "adapter", save(tmp_path / "base", tokenizer))
    with pytest.raises(ReasonError, match="is an adapter, and peft is not installed; pip install peft"):
        load_pretrained(folder, CPU)


def test_an_adapter_whose_base_is_gone_names_both(tmp_path):
    with pytest.raises(ReasonError, match=r"the base model of .*adapter: model 'tests/gone' is neither"):
        load_pretrained(adapter(tmp_path / "adapter", "tests/gone"), CPU)
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(ReasonError, match="does not name its base model"):
        load_pretrained(tmp_path / "adapter", CPU)


def test_an_adapter_is_put_on_its_base(tokenizer, tmp_path):
    import torch

    peft = pytest.importorskip("peft")
    base = save(tmp_path / "base", tokenizer)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    trained = peft.get_peft_model(build("qwen2", tokenizer), config).eval()
    trained.peft_config["default"].base_model_name_or_path = str(base)
    trained.save_pretrained(tmp_path / "adapter")
    subject = load_pretrained(tmp_path / "adapter", CPU)
    torch.testing.assert_close(logits(subject.model, tokenizer), logits(trained, tokenizer))
    assert not torch.allclose(logits(subject.model, tokenizer), logits(build("qwen2", tokenizer), tokenizer))
    shutil.copytree(save(tmp_path / "other", tokenizer, "gpt2"), base, dirs_exist_ok=True)
    with pytest.raises(ReasonError, match=r"on its base|does not fit its base"):
        load_pretrained(tmp_path / "adapter", CPU)


def test_a_gated_model_is_told_from_a_missing_one(monkeypatch):
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError

    def refuse(id: str, local_files_only: bool = False, **asked: object) -> str:
        if local_files_only:
            raise LocalEntryNotFoundError("nothing is cached")
        raise GatedRepoError("403 Client Error.", response=SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(
        ReasonError, match=r"model 'some/model' is gated.*accept its terms on its page of the hub, then run `hf auth"
    ):
        hub.model("some/model")
