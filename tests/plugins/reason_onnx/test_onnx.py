"""The exporter `onnx`: what it writes says what the model says, from the files alone, in every precision."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnxruntime import InferenceSession
from onnxscript import ir
from reason_hybrid.architecture import Hybrid, HybridOptions
from reason_mamba.architecture import Mamba, MambaOptions
from reason_onnx import exporter, tracing
from reason_onnx.checking import check
from reason_onnx.exporter import Onnx, OnnxOptions
from reason_onnx.halves import in_halves
from reason_onnx.running import Running
from reason_onnx.tidying import softplus_by_rows
from reason_trm.trm_architecture import TRM, TRMOptions
from support import Said, run

from reason_cli import Exportable, ReasonError, State, testing
from reason_cli.engine.chat import Template
from reason_cli.engine.export import export, graph_of
from reason_cli.engine.parity import greedy

pytestmark = pytest.mark.xdist_group("onnx")  # what one fixture exports, all of them read

KINDS = {
    "fp32": OnnxOptions(),
    "fp16": OnnxOptions(precision="fp16"),
    "int8": OnnxOptions(quantize="int8"),
}


def mamba() -> Exportable:
    torch.manual_seed(0)
    tokenizer = testing.byte_tokenizer()
    architecture = Mamba()
    model = architecture.build(MambaOptions(d_model=32, n_layer=1, scan="torch"), tokenizer).eval()
    return source(model, tokenizer, architecture)


def llama() -> Exportable:
    """A plain transformer, as one that no architecture claims."""
    torch.manual_seed(0)
    tokenizer = testing.byte_tokenizer()
    model = testing.TinyLlama().build(testing.TinyLlamaOptions(max_seq_len=256, n_layer=1), tokenizer).eval()
    return source(model, tokenizer, None)


def hybrid() -> Exportable:
    torch.manual_seed(0)
    tokenizer = testing.byte_tokenizer()
    architecture = Hybrid()
    small = HybridOptions(d_model=32, n_layer=1, n_scale=2, window=6, n_head=2, n_kv_head=1, head_dim=16, scan="torch")
    return source(architecture.build(small, tokenizer).eval(), tokenizer, architecture)


def trm(folder: Path) -> Exportable:
    """On a base of one layer, which is saved in a folder."""
    torch.manual_seed(0)
    tokenizer = testing.byte_tokenizer()
    testing.TinyLlama().build(testing.TinyLlamaOptions(n_layer=1), tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    architecture, base = TRM(), {"base": str(folder), "quantization": "none", "dtype": "fp32"}
    small = TRMOptions(**base, num_latents=6, d_latent=16, n_head=2, n_layer=1, n_latent_steps=1, n_supervision_steps=1)
    return source(architecture.build(small, tokenizer).eval(), tokenizer, architecture)


def source(model: Any, tokenizer: Any, architecture: Any) -> Exportable:
    graph = lambda loop: graph_of(model, architecture, loop)  # noqa: E731
    return Exportable(model, tokenizer, architecture, graph, "tiny", Path("tiny"))


class Artefacts:
    """Exports of tiny models, each made once; graphs of the same numbers are traced once."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.traced = folder, {}
        self.sources = {"mamba": mamba(), "llama": llama(), "hybrid": hybrid(), "trm": trm(folder / "base")}
        self.records: dict[str, dict[str, Any]] = {}
        self.now, trace = "", tracing.traced

        def once(graph: Any, name: str) -> dict[str, ir.Model]:
            if self.now not in self.traced:
                self.traced[self.now] = {file: ir.to_proto(model) for file, model in trace(graph, name).items()}
            return {file: ir.from_proto(proto) for file, proto in self.traced[self.now].items()}

        patch.setattr(tracing, "traced", once)

    def __call__(self, model: str, kind: str) -> Path:
        folder = self.folder / f"{model}-{kind}"
        if not folder.exists():
            self.now = f"{model} {KINDS[kind].precision}"
            template = Template(prefill="<think>" if model == "trm" else "")
            self.records[folder.name] = export(
                Onnx(), self.sources[model], folder, KINDS[kind], template, Said(), threads=1
            )
        return folder


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield Artefacts(tmp_path_factory.mktemp("onnx"), patch)


ALL = [(model, "fp32") for model in ("mamba", "llama", "hybrid", "trm")]
ALL += [("mamba", "fp16"), *((model, "int8") for model in ("mamba", "llama", "hybrid", "trm"))]


@pytest.mark.parametrize("model, kind", ALL)
def test_what_was_written_says_what_the_model_says(artefacts, model, kind):
    artefacts(model, kind)
    record = artefacts.records[f"{model}-{kind}"]
    assert record["precision"] == kind and record["backend"] == "onnxruntime"
    parity = record["parity"]
    assert {"lengths", "batches", "padding", "pieces", "pieces, read twice", "said"} <= set(parity["differences"])
    assert parity["differences"]["pieces, read twice"] == 0
    assert parity["largest_difference"] < {"fp32": 2e-5, "fp16": 5e-3, "int8": 0.2}[kind]
    assert parity["token_agreement"] >= {"fp32": 1.0, "fp16": 0.98, "int8": 0.9}[kind]


@pytest.mark.parametrize("model, kind", ALL)
def test_graphs_are_valid_and_share_their_weights(artefacts, model, kind):
    folder = artefacts(model, kind)
    weights = {}
    for file in ("model.onnx", "step.onnx"):
        onnx.checker.check_model(str(folder / file))
        loaded = ir.load(folder / file)
        outside = {
            value.name: value.const_value
            for value in loaded.graph.initializers.values()
            if isinstance(value.const_value, ir.ExternalTensor)
        }
        assert outside and {tensor.location for tensor in outside.values()} == {"model.onnx.data"}
        weights[file] = {(tensor.offset, tensor.length) for tensor in outside.values()}
        assert loaded.metadata_props["reason.precision"] == kind
        inside = [v.const_value.nbytes for v in loaded.graph.initializers.values() if v.name not in outside]
        assert max(inside, default=0) < 1024
    # What one token needs is what a text needs; sizes that go with the loop may be the text's own.
    assert weights["step.onnx"] <= weights["model.onnx"] or model in ("mamba", "hybrid")
    shared = sum(length for _, length in weights["model.onnx"] & weights["step.onnx"])
    assert shared > 0.8 * (folder / "model.onnx.data").stat().st_size - 4096 * len(weights["model.onnx"])


def test_rounded_weights_are_smaller_and_their_scales_are_by_column(artefacts):
    exact, rounded = artefacts("mamba", "fp32"), artefacts("mamba", "int8")
    graph = ir.load(rounded / "step.onnx").graph
    kinds = Counter(node.op_type for node in graph)
    assert kinds["MatMulNBits"] == 4 and kinds["MatMul"] == 1  # three of its layer and the head; dt_proj has two rows
    for columns in (node.inputs[1].const_value.numpy() for node in graph if node.op_type == "MatMulNBits"):
        assert columns.min() >= 1 and columns.max() <= 127  # or processors without VNNI would say something else
    assert (rounded / "model.onnx.data").stat().st_size < (exact / "model.onnx.data").stat().st_size
    half = artefacts("mamba", "fp16")
    assert (half / "model.onnx.data").stat().st_size < (exact / "model.onnx.data").stat().st_size


def test_a_text_of_any_length_is_one_scan_in_each_layer(artefacts):
    nodes = Counter(node.op_type for node in onnx.load(artefacts("mamba", "fp32") / "model.onnx").graph.node)
    assert nodes["Scan"] == 1 and nodes["Log"] == 1  # of its one layer
    assert not {"Loop", "If", "Where", "Reciprocal", "Softplus"} & set(nodes)
    body = next(n for n in onnx.load(artefacts("mamba", "fp32") / "model.onnx").graph.node if n.op_type == "Scan")
    graph = next(attribute.g for attribute in body.attribute if attribute.name == "body")
    assert Counter(node.op_type for node in graph.node) == {"Mul": 2, "Exp": 1, "Add": 1, "MatMul": 2}


def test_softplus_by_rows_is_as_exact_as_onnxruntimes_own_for_every_size_of_number():
    x = np.concatenate([np.linspace(-90, 90, 20_001), [-1e30, -104, 0, 88.8, 1e30, np.inf, -np.inf]]).astype(np.float32)
    graph = onnx.parser.parse_graph("g (float[n] x) => (float[n] y) { y = Softplus(x) }")
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", tracing.OPSET)], ir_version=10)
    model = ir.from_proto(proto)
    softplus_by_rows(model)
    assert "Softplus" not in {node.op_type for node in model.graph}
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    (y,) = InferenceSession(ir.to_proto(model).SerializeToString()).run(None, {"x": x})
    want = np.logaddexp(0, x.astype(np.float64))
    normal = (want > np.finfo(np.float32).tiny) & np.isfinite(want)
    assert np.abs(y[normal] / want[normal] - 1).max() < 5e-7
    assert np.isposinf(y[np.isposinf(want)]).all() and y[~normal & ~np.isposinf(want)].max() < 2e-38


def test_the_graph_does_not_grow_with_the_length_it_is_traced_with(artefacts, monkeypatch):
    monkeypatch.setitem(tracing.SIZES, "length", 23)
    module = tracing.Reading(artefacts.sources["llama"].graph("scan"))
    inputs = {"input_ids": ("batch", "length"), "attention_mask": ("batch", "length"), "logits_to_keep": ("kept",)}
    longer = tracing._traced(module, inputs, module.read.states, "tiny")
    before = onnx.load(artefacts("llama", "fp32") / "model.onnx").graph.node
    assert Counter(n.op_type for n in longer.graph) == Counter(n.op_type for n in before)


@torch.no_grad()
def test_a_text_is_read_again_only_where_a_row_begins_to_think(artefacts):
    """Slots that are held are one for a token; those of the piece that begins with the trigger are two, and latents."""
    running, (trigger,) = Running(artefacts("trm", "fp32"), 1), artefacts.sources["trm"].graph("scan").forward_only
    place, latents = [one.name for one in running.states].index("past_mask"), 6
    plain = torch.randint(3, 200, (2, 20))
    asked = plain.clone()
    asked[1, 12] = trigger
    _, state = running.read(plain, None, None, False)
    assert state[place].shape == (2, 20)
    logits, state = running.read(asked, None, None, False)
    assert state[place].shape == (2, 12 + 2 * 8 + latents)
    whole, after = running.piece(asked.numpy(), None, None, False)
    assert after[place].shape == (2, 2 * 20 + latents)
    assert (logits - torch.from_numpy(whole)).abs().max() < 2e-5
    last, _ = running.read(asked, torch.ones_like(asked), None, True)
    assert last.shape[1] == 1 and (last[:, 0] - logits[:, -1]).abs().max() < 2e-5


def test_a_state_stays_as_it_is_and_one_token_after_it_is_read_by_the_step(artefacts):
    running = Running(artefacts("mamba", "fp32"), 1)
    ids = torch.tensor([[72, 105, 33], [1, 2, 3]])
    _, state = running.read(ids, None, None, True)
    before = [array.copy() for array in state]
    by_step, after = running.read(ids[:, :1], None, state, True)
    assert all((old == new).all() for old, new in zip(before, state, strict=True))
    by_text, again = running.read(ids[:, :1], torch.ones(2, 1), state, True)
    torch.testing.assert_close(by_step, by_text, atol=1e-5, rtol=1e-5)
    for one, other in zip(after, again, strict=True):
        torch.testing.assert_close(torch.from_numpy(one), torch.from_numpy(other), atol=1e-5, rtol=1e-5)
    running.reading = None  # a token alone does not need it
    assert running.read(ids[:, :1], None, state, True)[0].shape == (2, 1, by_step.shape[-1])


@pytest.mark.parametrize("model", ["mamba", "llama"])
def test_the_program_beside_it_says_what_the_model_says(artefacts, model):
    folder, prompt = artefacts(model, "fp32"), [72, 101, 108, 108, 111]
    ids = torch.tensor([prompt])
    whole = greedy(artefacts.sources[model].model, ids, torch.ones_like(ids), 0)[0, len(prompt) :].tolist()
    command = [sys.executable, "-I", str(folder / "generate.py"), "64", *map(str, prompt)]
    blocked = "import sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; import runpy; "
    blocked += "runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run([*command[:2], "-c", blocked, *command[2:]], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [int(token) for token in done.stdout.split()] == whole
    assert "generate.py" in (folder / "README.md").read_text(encoding="utf-8")


def test_nothing_of_this_machine_is_in_the_files(artefacts):
    folder = artefacts("mamba", "fp32")
    for file in ("model.onnx", "step.onnx"):
        content = (folder / file).read_bytes()
        assert b"site-packages" not in content and str(Path(tracing.__file__).parent).encode() not in content


def test_halves_leave_the_model_as_it_is_and_keep_the_decays(artefacts):
    model = artefacts.sources["mamba"].model
    half: Any = in_halves(artefacts.sources["mamba"].graph("scan"))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    exact = {name.rpartition(".")[2] for name, p in half.model.named_parameters() if p.dtype == torch.float32}
    assert exact == {"A_log", "D", "bias"}
    assert [state.dtype for state in half.states] == ["float32", "float32"]


def test_what_grows_with_the_text_is_held_in_halves(artefacts):
    half: Any = in_halves(artefacts.sources["llama"].graph("scan"))
    assert [state.dtype for state in half.states] == ["int64", "float16", "float16"]
    states = [tracing.example(state.shape, state.dtype) for state in half.states]
    logits, *after = half.step(torch.ones(2, 1, dtype=torch.long), *states)
    assert logits.dtype == torch.float32
    assert [state.dtype for state in after] == [torch.int64, torch.float16, torch.float16]


def test_the_command_writes_it_and_prints_nothing_else(artefacts, tmp_path):
    exported, folder = artefacts.sources["mamba"], tmp_path / "checkpoint"
    exported.model.save_pretrained(folder)
    exported.tokenizer.save_pretrained(folder)
    artefacts("mamba", "fp32")
    artefacts.now = "mamba fp32"
    done = run("export", "onnx", "--checkpoint", folder, "--threads", 1).ok()
    assert done.err == "" or "Warning" not in done.err
    assert "onnx, fp32" in done.out and "100.0% of 512 tokens are the same" in done.out
    assert (tmp_path / "checkpoint-onnx" / "export.json").is_file()
    refused = run("export", "onnx", "--checkpoint", folder, "--precision", "fp16", "--quantize", "int8", "--force")
    assert refused.code == 2 and "--quantize int8 rounds float32, not fp16; leave one of them out" in refused.error_line


# --- what goes wrong --------------------------------------------------------------------------------------------


def test_a_graph_that_is_fixed_to_a_size_is_noticed(artefacts, tmp_path):
    folder = artefacts("mamba", "fp32")
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    fixed = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    fixed.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7
    onnx.save(fixed, tmp_path / "model.onnx")
    with pytest.raises(ReasonError, match=r"model.onnx was written wrong: input_ids is fixed to \['batch', 7\]"):
        check(tmp_path, artefacts.sources["mamba"].graph("scan").states, "fp32")


def test_files_that_are_damaged_are_told_in_one_line(artefacts, tmp_path):
    whole = artefacts("mamba", "fp32")
    for file in whole.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.onnx").write_bytes((whole / "model.onnx").read_bytes()[:1000])
    for threads in (1, 2):
        with pytest.raises(ReasonError, match=r"onnxruntime cannot read .*model.onnx") as caught:
            Onnx().load(tmp_path, threads)
        assert "\n" not in str(caught.value)
    (tmp_path / "model.onnx").unlink()
    for threads in (1, 2):
        with pytest.raises(ReasonError, match=r"onnxruntime cannot read .*model.onnx"):
            Onnx().load(tmp_path, threads)


def test_what_is_missing_is_named(monkeypatch):
    assert Onnx().missing() == ""
    monkeypatch.setattr(exporter, "find_spec", lambda name: None if name == "onnxscript" else SimpleNamespace())
    assert Onnx().missing() == 'pip install "reason-cli[onnx]"'


def test_what_has_no_graph_is_refused_by_name():
    model = SimpleNamespace(config=SimpleNamespace(model_type="bert"))
    nothing = Exportable(model, None, None, lambda loop: None, "tiny", Path("tiny"))  # type: ignore[arg-type]
    assert Onnx().refuses(nothing, OnnxOptions()) == "the architecture 'bert' has no graph of tensors"
    with pytest.raises(ReasonError, match="--quantize int8 rounds float32, not fp16"):
        Onnx().refuses(mamba(), OnnxOptions("fp16", "int8"))
    assert Onnx().refuses(mamba(), OnnxOptions()) == ""


def test_what_cannot_be_traced_is_told_in_one_line():
    class Broken(torch.nn.Module):
        states = (State("sum", ("batch", 2)),)

        def step(self, *inputs: Any) -> Any:
            raise RuntimeError("this cannot be\nwritten down")

    with pytest.raises(ReasonError, match=r"torch.onnx cannot trace tiny: this cannot be") as caught:
        tracing._traced(tracing.Stepping(Broken()), {"input_ids": ("batch", 1)}, Broken.states, "tiny")
    assert "\n" not in str(caught.value)


def test_the_graphs_say_what_their_states_are(artefacts):
    told = ir.load(artefacts("llama", "fp32") / "step.onnx").metadata_props
    states = json.loads(told["reason.states"])
    assert [state["name"] for state in states] == ["past_mask", "key_0", "value_0"]
    assert states[1] == {"name": "key_0", "shape": ["batch", 2, "past", 16], "dtype": "float32"}
    assert told["reason.architecture"] == "llama" and told["reason.format"] == "1"
