"""A captured step: the same numbers as without, and the step itself where it cannot be captured."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest


class Recorded:
    """A stand-in for a CUDA graph."""

    replays = 0

    def replay(self):
        Recorded.replays += 1


@pytest.fixture
def cuda(monkeypatch):
    """A stand-in for CUDA's streams and graphs on a CPU; `broken` makes captures fail."""
    import torch

    state = SimpleNamespace(broken=None, captured=0)

    @contextmanager
    def graph(recorded, capture_error_mode):
        state.captured += 1
        if state.broken:
            raise state.broken
        yield

    @contextmanager
    def stream(_):
        yield

    waiting = SimpleNamespace(wait_stream=lambda other: None)
    for name, stand_in in {
        "CUDAGraph": Recorded,
        "Stream": lambda: waiting,
        "current_stream": lambda: waiting,
        "synchronize": lambda: None,
        "stream": stream,
        "graph": graph,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return state


def test_a_step_that_cannot_be_captured_runs_as_it_is(cuda, recwarn):
    from reason_cli.engine.graph import captured

    cuda.broken = RuntimeError("operation not permitted when stream is capturing")
    step = lambda: None  # noqa: E731
    assert captured(step) is step
    assert not recwarn.list


def test_full_memory_is_not_taken_for_a_step_that_cannot_be_captured(cuda):
    import torch

    from reason_cli.engine.graph import captured

    cuda.broken = torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(torch.OutOfMemoryError):
        captured(lambda: None)


def test_a_captured_step_runs_no_python_and_gives_the_tensor_of_the_capture(cuda, monkeypatch):
    import torch

    from reason_cli.engine.graph import WARM_UP, captured

    monkeypatch.setattr(Recorded, "replays", 0)
    given = []

    def step():
        given.append(torch.zeros(2))
        return given[-1]

    replay = captured(step)
    assert replay() is replay() is given[-1]
    assert (len(given), cuda.captured, Recorded.replays) == (WARM_UP + 1, 1, 2)
