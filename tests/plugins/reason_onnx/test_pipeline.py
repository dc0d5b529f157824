"""A text read by several threads, each in a layer of its own: what they say is what the whole graph says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnxruntime import InferenceSession
from onnxscript import ir
from reason_mamba.architecture import Mamba, MambaOptions
from reason_onnx import pipeline
from reason_onnx.checking import check
from reason_onnx.cutting import stages
from reason_onnx.exporter import Onnx, OnnxOptions
from reason_onnx.pipeline import Pipeline
from reason_onnx.running import Running
from support import Said

from reason_cli import Exportable, ReasonError, testing
from reason_cli.engine.chat import Template
from reason_cli.engine.export import export, graph_of

pytestmark = pytest.mark.xdist_group("onnx pipeline")
LAYERS = 3


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Mamba of three layers in ONNX, compared with the model as two threads read it; and its graph."""
    torch.manual_seed(0)
    folder, tokenizer, mamba = tmp_path_factory.mktemp("pipeline") / "mamba", testing.byte_tokenizer(), Mamba()
    model = mamba.build(MambaOptions(d_model=32, n_layer=LAYERS, scan="torch"), tokenizer).eval()
    graph = lambda loop: graph_of(model, mamba, loop)  # noqa: E731
    source = Exportable(model, tokenizer, mamba, graph, "tiny", Path("tiny"))
    record = export(Onnx(), source, folder, OnnxOptions(), Template(), Said(), threads=2)
    assert record["parity"]["largest_difference"] < 2e-5 and record["parity"]["token_agreement"] == 1
    return folder, source.graph("scan")


@pytest.fixture(scope="module")
def readers(exported) -> tuple[Running, Running]:
    """The whole graph, and three threads."""
    return Running(exported[0], 1), Running(exported[0], 3)


def test_each_stage_is_one_layer_with_its_states_alone(exported):
    first, between, last = stages(ir.load(exported[0] / "model.onnx"))
    assert all(Counter(node.op_type for node in one.graph)["Scan"] == 1 for one in (first, between, last))
    given, made = ([[value.name for value in side] for side in sides] for sides in sides_of(first, between, last))
    assert given[0] == ["input_ids", "attention_mask", "conv_0", "ssm_0"]
    assert given[1] == [made[0][0], "attention_mask", "conv_1", "ssm_1"]
    assert given[2] == [made[1][0], "attention_mask", "logits_to_keep", "conv_2", "ssm_2"]
    assert made[0][1:] == ["conv_0_out", "ssm_0_out"] and made[2] == ["logits", "conv_2_out", "ssm_2_out"]


def sides_of(*models: ir.Model) -> tuple[list[Any], list[Any]]:
    return [one.graph.inputs for one in models], [one.graph.outputs for one in models]


@pytest.mark.parametrize("lengths", [(1,), (31,), (65, 64), (3, 70, 200), (501,)], ids=str)
def test_several_threads_read_what_one_reads(readers, lengths):
    """Padded on the left, by more than a piece too, all columns and the last; and on from there."""
    torch.manual_seed(len(lengths))
    width = max(lengths)
    ids, mask = torch.randint(3, 200, (len(lengths), width)), torch.ones(len(lengths), width)
    for row, length in enumerate(lengths):
        ids[row, : width - length] = mask[row, : width - length] = 0
    (logits, state), (ours, after) = (one.read(ids, mask, None, False) for one in readers)
    real = mask.bool()
    assert (logits[real] - ours[real]).abs().max() < 1e-6
    last, again = readers[1].read(ids, mask, None, True)
    assert last.shape[1] == 1 and (last[:, 0] - logits[:, -1]).abs().max() < 1e-6
    for whole, *others in zip(state, after, again, strict=True):
        assert all(abs(whole - other).max() < 1e-6 for other in others)
    (logits, _), (ours, _) = (
        one.read(ids, None, known, False) for one, known in zip(readers, (state, after), strict=True)
    )
    assert (logits - ours).abs().max() < 1e-6


def test_pieces_are_as_long_as_each_other_and_cover_the_text(readers):
    texts = readers[1].reading.pieces(given(torch.ones(1, 200, dtype=torch.long), kept=[0, 33, 199]))
    lengths = [text["input_ids"].shape[1] for text in texts]
    assert sum(lengths) == 200 and len(lengths) == 3 * pipeline.PIECES and max(lengths) - min(lengths) <= 1
    assert [text["logits_to_keep"].tolist() for text in texts] == [[0], [0], [], [], [], [33]]
    short = readers[1].reading.pieces(given(torch.ones(1, pipeline.SHORTEST, dtype=torch.long), kept=[]))
    assert len(short) == 1


def given(ids: torch.Tensor, kept: list[int]) -> dict[str, Any]:
    mask = torch.ones_like(ids)
    return {"input_ids": ids.numpy(), "attention_mask": mask.numpy(), "logits_to_keep": torch.tensor(kept).numpy()}


def test_what_fails_in_a_thread_is_told_and_the_next_text_is_read(readers):
    ids = torch.ones(1, 100, dtype=torch.long)
    with pytest.raises(Exception, match="indices element out of data bounds"):
        readers[1].read(ids * 10**6, None, None, True)
    assert readers[1].read(ids, None, None, True)[0].isfinite().all()


def test_what_threads_read_otherwise_is_noticed(exported, monkeypatch):
    folder, graph = exported
    right = Pipeline.run

    def wrong(self: Pipeline, *given: Any) -> list[Any]:
        logits, *after = right(self, *given)
        return [logits + 1e-3, *after]

    monkeypatch.setattr(Pipeline, "run", wrong)
    with pytest.raises(ReasonError, match=r"model.onnx was written wrong: what two threads read of it differs by 0.0"):
        check(folder, graph.states, "fp32")


def test_a_state_of_all_layers_is_given_by_each():
    """`seen` comes of the mask alone, and both walks begin with it."""
    text = """
    <ir_version: 10, opset_import: ["" : 20]>
    both (int64[b, l] input_ids, int64[b, l] attention_mask, float[b] seen, float[b] low_0, float[b] low_1)
        => (float[b, l] logits, float[b] seen_out, float[b] low_0_out, float[b] low_1_out) {
        one = Constant <value = int64[1] {1}> ()
        real = Cast <to = 1> (attention_mask)
        more = ReduceSum <keepdims = 0> (real, one)
        seen_out = Add (seen, more)
        tokens = Cast <to = 1> (input_ids)
        first = Add (low_0, seen)
        low_0_out, low = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1], body = sum
            (float[b] kept, float[b] x) => (float[b] now, float[b] said) { now = Add (kept, x) said = Identity (now) }
        > (first, tokens)
        second = Sub (low_1, seen)
        low_1_out, logits = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1], body = sum
            (float[b] kept, float[b] x) => (float[b] now, float[b] said) { now = Add (kept, x) said = Identity (now) }
        > (second, low)
    }"""
    model = ir.from_proto(onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text)))
    first, second = stages(model)
    assert [value.name for value in first.graph.outputs] == ["low", "low_0_out", "seen_out"]
    assert [value.name for value in second.graph.inputs] == ["low", "attention_mask", "seen", "low_1"]
    assert [value.name for value in second.graph.outputs] == ["logits", "low_1_out", "seen_out"]
    for part in (first, second):
        InferenceSession(ir.to_proto(part).SerializeToString())


def test_where_there_is_no_second_walk_nothing_is_cut():
    text = """
    <ir_version: 10, opset_import: ["" : 20]>
    one (int64[b, l] input_ids, float[b] low_0) => (float[b, l] logits, float[b] low_0_out) {
        tokens = Cast <to = 1> (input_ids)
        low_0_out, low = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1], body = sum
            (float[b] kept, float[b] x) => (float[b] now, float[b] said) { now = Add (kept, x) said = Identity (now) }
        > (low_0, tokens)
        logits = Neg (low)
    }"""
    assert stages(ir.from_proto(onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text)))) == []
