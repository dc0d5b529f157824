"""The recursive reasoner as a graph of tensors: what it says, however a text with a trigger is read."""

import pytest
import torch
from graph_checks import check_graph, traced
from one_thread import one_thread  # noqa: F401
from reason_trm.trm_architecture import TRM, TRMOptions

from reason_cli import Graph, testing

SMALL = {"num_latents": 6, "d_latent": 16, "n_head": 2, "n_latent_steps": 2, "n_supervision_steps": 2}
CLOSE = 1e-4


@pytest.fixture(scope="module")
def tokenizer():
    return testing.byte_tokenizer()


@pytest.fixture(
    scope="module", params=[{}, {"use_trm": False}, {"draft": 0.0}, {"halting": True, "halt_at_test": True}]
)
def model(request, tokenizer, tmp_path_factory):
    """Untrained, with everything that is drawn about zero drawn again, so that it counts."""
    torch.manual_seed(0)
    base = tmp_path_factory.mktemp("base")
    testing.TinyLlama().build(testing.TinyLlamaOptions(), tokenizer).save_pretrained(base)
    tokenizer.save_pretrained(base)
    options = TRMOptions(base=str(base), quantization="none", dtype="fp32", tune="full", **{**SMALL, **request.param})
    model = TRM().build(options, tokenizer).eval()
    model.config.halt_at_test = options.halt_at_test
    return model


@pytest.fixture(scope="module")
def rows(tokenizer):
    """Token ids: a question that is answered, one that is only asked, a text that is no question, and the beginning of
    one.
    """
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Solve 1 2\n3 4 for x.\n"}], tokenize=False, add_generation_prompt=True
    )
    texts = [f"{asked}<think>\nab</think> 12", asked, "<think>nothing was asked<think>", asked[:20]]
    return [torch.tensor(tokenizer(text)["input_ids"]) for text in texts]


def said(model, rows):
    with torch.no_grad():
        return [model(input_ids=row[None]).logits[0] for row in rows]


def padded(rows):
    width = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, width - len(row) :], mask[i, width - len(row) :] = row, 1
    return ids, mask


@torch.no_grad()
def test_texts_with_and_without_a_trigger_in_one_batch(model, rows):
    graph = TRM().graph(model, "scan")
    assert isinstance(graph, Graph)
    ids, mask = padded(rows)
    for read in (graph, traced(TRM().graph(model, "script"), 256)):
        logits, *_ = read(ids, mask, torch.arange(ids.shape[1]), *(state.start(len(rows)) for state in graph.states))
        for i, alone in enumerate(said(model, rows)):
            assert (logits[i, -len(alone) :] - alone).abs().max() < CLOSE, i


@pytest.mark.parametrize("pieces", [[3, 1, 30, 4, 2, 100], [1] * 60])
@torch.no_grad()
def test_pieces_before_through_and_after_the_trigger(model, rows, pieces):
    graph = TRM().graph(model, "scan")
    row, states, read = rows[0][None], [state.start(1) for state in graph.states], []
    for piece in row.split(cut(row.shape[1], pieces), 1):
        if piece.shape[1] == 1 and int(piece) not in graph.forward_only:
            logits, *states = graph.step(piece, *states)
        else:
            logits, *states = graph(piece, torch.ones_like(piece), torch.arange(piece.shape[1]), *states)
        read.append(logits)
    assert (torch.cat(read, 1)[0] - said(model, rows[:1])[0]).abs().max() < CLOSE


def cut(length, pieces):
    """As many of these lengths as there are tokens."""
    cuts = []
    for piece in pieces:
        cuts.append(min(piece, length - sum(cuts)))
        if sum(cuts) == length:
            return cuts
    return [*cuts, length - sum(cuts)]


def test_texts_without_a_trigger_are_read_as_by_any_graph(model):
    check_graph(model, TRM().graph(model, "script"), 256)


def test_a_base_that_is_no_such_transformer_has_no_graph(model):
    config = model.base.config
    before, config.layer_types = (
        config.layer_types if hasattr(config, "layer_types") else None,
        ["sliding_attention"] * 2,
    )
    try:
        assert TRM().graph(model, "scan") is None
    finally:
        config.layer_types = before
