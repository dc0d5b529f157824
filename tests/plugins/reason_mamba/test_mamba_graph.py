"""Mamba as a graph of tensors."""

import pytest
import torch
from graph_checks import check_graph
from one_thread import one_thread  # noqa: F401
from reason_mamba.architecture import Mamba

from reason_cli import Graph


@pytest.fixture
def engine():
    """The reference alone: the graph has a scan of its own."""
    return "torch"


def test_the_graph_says_what_the_model_says(model, config):
    graph = Mamba().graph(model, "script")
    assert isinstance(graph, Graph)
    check_graph(model, graph, config.vocab_size)


@torch.no_grad()
def test_every_loop_says_the_same(model, ids):
    given = (ids, torch.ones_like(ids), torch.arange(ids.shape[1]))
    read = [
        graph(*given, *(state.start(len(ids)) for state in graph.states))
        for graph in (Mamba().graph(model, loop) for loop in ("script", "scan"))
    ]
    for one, other in zip(*read, strict=True):
        assert (one - other).abs().max() < 1e-5
