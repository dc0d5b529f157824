"""The hybrid as a graph of tensors: windows of 6 entries, so that texts and steps go past those of every scale."""

import pytest
import torch
from graph_checks import check_graph
from reason_hybrid.architecture import Hybrid

from reason_cli import Graph

BESIDE = {"shortest window": {"window": 1}, "own heads": {"n_kv_head": 2}, "few gates": {"adaptive_depth": 0.3}}


def test_the_graph_says_what_the_model_says(hybrid, ablation):
    model = hybrid(**ablation)
    graph = Hybrid().graph(model, "script")
    assert isinstance(graph, Graph)
    check_graph(model, graph, 256)


@pytest.mark.parametrize("options", BESIDE.values(), ids=BESIDE)
def test_so_it_does_in_other_shapes(hybrid, options):
    model = hybrid(**options)
    check_graph(model, Hybrid().graph(model, "script"), 256)


def test_what_is_remembered_is_named_where_there_is_any(hybrid):
    names = lambda **options: [state.name for state in Hybrid().graph(hybrid(**options), "script").states]  # noqa: E731
    two = lambda *kept: [f"{name}_{layer}" for layer in range(2) for name in kept]  # noqa: E731
    assert names() == [*two("conv", "ssm", "ring_keys", "ring_values", "tail"), "lengths"]
    assert names(n_scale=1) == [*two("conv", "ssm", "ring_keys", "ring_values"), "lengths"]
    assert names(n_scale=0) == two("conv", "ssm")


@torch.no_grad()
def test_states_begin_as_zeros_and_keep_their_size(hybrid):
    graph = Hybrid().graph(hybrid(), "script")
    states = [state.start(2) for state in graph.states]
    assert not any(state.any() for state in states)
    ids = torch.randint(0, 256, (2, 9))
    _, *after = graph(ids, torch.ones_like(ids), torch.arange(9), *states)
    assert [(x.shape, x.dtype) for x in after] == [(x.shape, x.dtype) for x in states]
