"""Plain transformers as graphs of tensors, and those that are none."""

import pytest
from graph_checks import check_graph
from one_thread import one_thread  # noqa: F401

from reason_cli import Graph

SMALL = {"vocab_size": 97, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 256}
LLAMA = {**SMALL, "hidden_size": 32, "intermediate_size": 48, "num_key_value_heads": 2}
TAKEN = {
    "llama": LLAMA,
    "qwen2": LLAMA,
    "qwen3": {**LLAMA, "head_dim": 16},
    "mistral": {**LLAMA, "sliding_window": None},
    "gemma": {**LLAMA, "head_dim": 8},
    "phi3": {**LLAMA, "pad_token_id": 0},
    "gpt2": {"vocab_size": 97, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "mixtral": {**LLAMA, "num_local_experts": 4, "sliding_window": None},
}
ROPE = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
SLIDING = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0}
REFUSED = {
    "a window": ("mistral", {**LLAMA, "sliding_window": 8}),
    "windows in some layers": ("gemma2", {**LLAMA, "head_dim": 8, "sliding_window": 8}),
    "a window where asked for": ("qwen2", {**LLAMA, **SLIDING}),
    "angles that move": ("llama", {**LLAMA, "rope_parameters": ROPE}),
    "distances in the scores": ("bloom", {"vocab_size": 97, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "one head that is not told": ("falcon", {**SMALL, "hidden_size": 32}),
    "recurrent": ("mamba", {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2}),
    "two stacks": ("bart", {"vocab_size": 97, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1}),
}


def build(kind, options):
    """A model of random weights, loud enough to be heard."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **options)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.15)
    return model


def graph_of(model):
    from reason_cli.engine.attention_graph import attention_graph

    return attention_graph(model)


@pytest.mark.parametrize("kind", TAKEN)
def test_the_graph_says_what_the_model_says(kind):
    model = build(kind, TAKEN[kind])
    graph = graph_of(model)
    assert isinstance(graph, Graph)
    check_graph(model, graph, 97)


@pytest.mark.parametrize("why", REFUSED)
def test_no_graph_rather_than_a_wrong_one(why):
    assert graph_of(build(*REFUSED[why])) is None


def test_a_model_that_the_graph_does_not_fit_shows_when_it_is_tried(monkeypatch):
    import torch
    from transformers import LlamaForCausalLM

    model = build("llama", LLAMA)
    plain = LlamaForCausalLM.forward

    def other(self, *args, attention_mask=None, **more):
        return plain(
            self, *args, attention_mask=None if attention_mask is None else torch.zeros_like(attention_mask), **more
        )

    monkeypatch.setattr(LlamaForCausalLM, "forward", other)
    assert graph_of(model) is None
