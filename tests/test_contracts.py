"""The contract test of its kind for everything that is registered: a new plugin object is in it by itself."""

from __future__ import annotations

import dataclasses

import pytest
from published_rows import PUBLISHED

from reason_cli import testing
from reason_cli.plugins import build_switchboard

BOARD = build_switchboard()

# What makes a model of an architecture small; fields that it does not have are left out.
SMALL = {"d_model": 32, "n_layer": 2, "max_seq_len": 64}

# A dataset that is nothing without a variant.
VARIANTS = {"reasoning-gym": "chain_sum"}

FINDS = {
    "number": {
        "<think>\n12 + 7 = 19\n</think>\n\n**Final Answer:** 19": "19",
        "**Final Answer:** $1,200.": "1200.0",
        "6 * 12 = 72\n#### $72": "72",
        r"so \boxed{\frac{1}{2}} of it": "0.5",
        "There are 5 left.": "5",
    }
}


def names(kind):
    return BOARD.names(kind)


def architectures():
    return sorted({BOARD.architecture(name).architecture.name for name in names("architecture")})


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A pretrained model for architectures that tune one."""
    folder, tokenizer = tmp_path_factory.mktemp("base"), testing.byte_tokenizer()
    testing.TinyLlama().build(testing.TinyLlamaOptions(), tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", architectures())
def test_every_architecture_keeps_the_contract(name, base):
    architecture = BOARD.architecture(name).architecture
    fields = {field.name for field in dataclasses.fields(architecture.Options)}
    of_base = {"base": str(base), "quantization": "none"}
    small = {key: value for key, value in {**SMALL, **of_base}.items() if key in fields}
    testing.check_architecture(architecture, dataclasses.replace(architecture.Options(), **small))


@pytest.mark.parametrize("name", names("dataset"))
def test_every_dataset_keeps_the_contract(name):
    formatter = BOARD.dataset(name)
    formatter = formatter.variant(VARIANTS[name]) if name in VARIANTS else formatter
    testing.check_dataset(formatter, [row for row, _ in PUBLISHED.get(name, ())])
    assert BOARD.extractor(formatter.extractor), "the extractor that it names is there"


@pytest.mark.parametrize("name", names("extractor"))
def test_every_extractor_keeps_the_contract(name):
    testing.check_extractor(BOARD.extractor(name), FINDS.get(name))


@pytest.fixture(scope="module")
def mamba():
    """The architecture that every format takes, with a small model of it."""
    import torch
    from reason_mamba.architecture import Mamba, MambaOptions

    torch.manual_seed(0)
    architecture = Mamba()
    return architecture, architecture.build(MambaOptions(d_model=32, n_layer=1), testing.byte_tokenizer())


@pytest.mark.parametrize("name", names("exporter"))
def test_every_exporter_keeps_the_contract(name, mamba):
    architecture, model = mamba
    testing.check_exporter(BOARD.exporter(name), model, graph=lambda loop: architecture.graph(model, loop))


def test_no_plugin_of_ours_fails_or_clashes():
    ours = {plugin.name: plugin.status for plugin in BOARD.plugins if plugin.distribution == "reason-cli"}
    assert ours == dict.fromkeys(
        ["answers", "datasets", "gguf", "hf", "hybrid", "llama", "mamba", "onnx", "qlora", "torchscript", "trm"], "ok"
    )
    assert list(BOARD.conflicts()) == []


# --- the contract tests can fail ---------------------------------------------------------------------------------


def broken(base, **changes):
    return type("Broken", (base,), changes)()


def leaks(self, split, seed, options):
    return iter([{"a": 1, "b": 2}, {"a": 3, "b": seed}])


def crashes(self, row, options):
    return testing.Additions.format(self, {"a": row["a"], "b": row["b"]}, options)


def remembers(self, row, options):
    self.count = getattr(self, "count", 0) + 1
    return testing.Example(f"{testing.Additions.format(self, row, options).question} {self.count}", "", "1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "Two Words"}, "lower case"),
        ({"help": ""}, "help must be"),
        ({"generate": leaks}, "share the question"),
        ({"format": remembers}, "two ways"),
        ({"generate": lambda self, split, seed, options: None}, "has no hub, is not universal"),
    ],
)
def test_a_broken_dataset_is_caught(changes, said):
    with pytest.raises(AssertionError, match=said):
        testing.check_dataset(broken(testing.Additions, **changes))


def test_a_dataset_that_crashes_on_garbage_is_caught():
    with pytest.raises(KeyError):
        testing.check_dataset(broken(testing.Additions, format=crashes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"equal": lambda self, a, b: False}, "not equal to itself"),
        ({"equal": lambda self, a, b: a <= b}, "depends on the order"),
        ({"extract": lambda self, text: testing.Extraction("1", "always", (0, 1))}, "outside"),
        ({"extract": lambda self, text: testing.Extraction("", "always", (0, 0))}, "an empty answer"),
    ],
)
def test_a_broken_extractor_is_caught(changes, said):
    with pytest.raises(AssertionError, match=said):
        testing.check_extractor(broken(testing.LastWord, **changes))


def silent(self, source, folder, options):
    pass


def halves(self, source, folder, options):
    testing.StateDict.export(self, source, folder, options)
    source.model.model.norm.weight.data.mul_(0.5)


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({}, testing.StateDictOptions(off_by=0.1), "logits differ by"),
        ({"export": silent}, None, "writes nothing"),
        ({"export": halves}, None, "logits differ by|changes the model that it writes"),
        ({"takes": ""}, None, "takes must be one line"),
        ({"refuses": lambda self, source, options: "never"}, None, "never"),
    ],
)
def test_a_broken_exporter_is_caught(changes, options, said):
    model = testing.TinyLlama().build(testing.TinyLlamaOptions(), testing.byte_tokenizer())
    with pytest.raises(AssertionError, match=said):
        testing.check_exporter(broken(testing.StateDict, **changes), model, options)


def test_an_extractor_that_raises_is_caught():
    with pytest.raises(ValueError):
        testing.check_extractor(broken(testing.LastWord, extract=lambda self, text: float(text)))


def wrong_count(self, options, load):
    return testing.Estimate(1, 1, 2, 4, 4, load.micro_batch_size, 0, 0)


def forgets(self, path, options):
    from transformers import AutoConfig, LlamaForCausalLM

    return LlamaForCausalLM(AutoConfig.from_pretrained(path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"estimate": wrong_count}, "estimates 1 parameters, has 28992"),
        ({"load": forgets}, "saved and loaded"),
        ({"model_type": "gpt2"}, "another model_type"),
        ({"presets": {"Bad Name": testing.TinyLlamaOptions()}}, "preset 'Bad Name'"),
        ({"presets": {"p": testing.TinyLlamaOptions(n_layer=0)}}, "n_layer is under its minimum"),
    ],
)
def test_a_broken_architecture_is_caught(changes, said):
    with pytest.raises(AssertionError, match=said):
        testing.check_architecture(broken(testing.TinyLlama, **changes))


@pytest.mark.parametrize(
    ("causal", "said"), [(True, "a later token changes"), (False, "the answer that is to be learned changes")]
)
def test_a_model_that_sees_the_future_or_its_padding_is_caught(causal, said):
    def build(self, options, tokenizer):
        model = testing.TinyLlama.build(self, options, tokenizer)
        model.model.forward = backwards(model.model.forward)
        return model

    def backwards(forward):
        def call(*args, **kwargs):
            output = forward(*args, **kwargs)
            output.last_hidden_state = output.last_hidden_state + output.last_hidden_state.mean(1, keepdim=True)
            return output

        return call

    with pytest.raises(AssertionError, match=said):
        testing.check_architecture(broken(testing.TinyLlama, build=build, causal=causal))


def test_a_model_that_mixes_the_documents_of_a_packed_row_is_caught():
    def build(self, options, tokenizer):
        model = testing.TinyLlama.build(self, options, tokenizer)
        forward = model.model.forward
        model.model.forward = lambda *args, position_ids=None, **kwargs: forward(*args, **kwargs)
        return model

    with pytest.raises(AssertionError, match="a document in a packed row: logits differ"):
        testing.check_architecture(broken(testing.TinyLlama, build=build))
    testing.check_architecture(broken(testing.TinyLlama, build=build, packs=False))


def test_switchboard_of_refuses_what_the_switchboard_refuses():
    import types

    with pytest.raises(AssertionError, match="it has no hook"):
        testing.switchboard_of(empty=types.ModuleType("empty"))
