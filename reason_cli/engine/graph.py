"""A CUDA graph of one generation step: all its kernels launched as one, where a small model would wait for Python."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3  # runs before the capture, in which libraries choose their kernels and take their memory


def captured(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """`step` as a graph to be replayed; `step` itself where it cannot be captured.

    `step` reads and writes tensors that stay where they are, synchronises nothing, and runs a few times here, which
    changes what it changes. What it gives is overwritten by the next run. Raises `torch.OutOfMemoryError`.
    """
    graph = torch.cuda.CUDAGraph()
    try:
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the device meanwhile
            output = step()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # an operation that a graph cannot hold, as one that asks the device for a value
        torch.cuda.synchronize()
        return step

    def replay() -> Tensor:
        graph.replay()
        return output

    return replay
