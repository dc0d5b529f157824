"""What a layer's walk over a text costs in onnxruntime, calls of its kernels and arithmetic apart, beside our own.

    python benchmarks/onnx_walk.py [--channels 256] [--turns 9]

One thread. The walk is the `Scan` that exports have. With 8 channels nearly all of it is calls; of many rows, read
together, each pays a share of the calls, so that what is left is arithmetic: what a walk would take that cost no calls
at all. Ours is the `cpu` engine's whole scan, the step sizes' softplus and the gate included. Microseconds for one
token of one row; what is told is the median.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from onnxruntime import InferenceSession, SessionOptions
from reason_mamba.scan import selective_scan
from reason_mamba.scan.traced import higher_order
from reason_onnx.tracing import OPSET
from rich.console import Console
from rich.table import Table

from reason_cli import quiet

STATES, TOKENS, ROWS = 16, 512, (1, 8, 32)
NAMES = ("dt", "dtu", "A", "B", "C", "h")


class Walk(torch.nn.Module):
    """The walk alone."""

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return higher_order(*inputs)


def main() -> None:
    """Make both, compare, measure in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--turns", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    sessions = {channels: session(channels) for channels in (8, given.channels)}
    ways = {(channels, rows): walks(sessions[channels], channels, rows) for channels in sessions for rows in ROWS}
    taken: dict[tuple[int, int], dict[str, list[float]]] = {shape: {name: [] for name in ways[shape]} for shape in ways}
    for _ in range(given.turns):
        for shape, both in ways.items():
            for name, way in both.items():
                taken[shape][name].append(microseconds(way) / TOKENS / shape[1])
    table = Table("channels", "rows", "Scan", "ours, whole", "times ours")
    for channels, rows in ways:
        theirs, ours = (statistics.median(taken[channels, rows][name]) for name in ("Scan", "ours"))
        table.add_row(str(channels), str(rows), f"{theirs:.2f}", f"{ours:.2f}", f"{theirs / ours:.2f}")
    Console().print(table)


def walks(walk: InferenceSession, channels: int, rows: int) -> dict[str, Callable[[], object]]:
    """Both ways over the same text. Raises `AssertionError` where they do not say the same."""
    random = torch.Generator().manual_seed(0)
    u, normal = (torch.randn(rows, TOKENS, channels, generator=random) for _ in range(2))
    B, C = (torch.randn(rows, TOKENS, STATES, generator=random) for _ in range(2))
    A = -torch.arange(1.0, STATES + 1).repeat(channels, 1)
    delta, h = normal - 4.6, torch.zeros(rows, channels, STATES)  # a new model's steps, about 0.01
    dt = torch.nn.functional.softplus(delta)
    feed = dict(zip(NAMES, (x.numpy() for x in (dt, dt * u, A, B, C, h)), strict=True))
    by_channel = [x.transpose(1, 2) for x in (u, delta)]
    places = [x.transpose(1, 2) for x in (B, C)]

    @torch.inference_mode()
    def ours(z: torch.Tensor | None = by_channel[0]) -> torch.Tensor:
        return selective_scan(*by_channel, A, *places, z=z, delta_softplus=True, engine="cpu")

    torch.testing.assert_close(torch.from_numpy(walk.run(None, feed)[0]), ours(None).transpose(1, 2))
    return {"Scan": lambda: walk.run(None, feed), "ours": ours}


def session(channels: int) -> InferenceSession:
    """The walk of any rows and tokens in onnxruntime, on one thread."""
    wide, narrow = (3, 5, channels), (3, 5, STATES)
    shapes = (wide, wide, (channels, STATES), narrow, narrow, (3, channels, STATES))
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with quiet():
        program = torch.onnx.export(
            Walk(),
            tuple(torch.zeros(shape) for shape in shapes),
            input_names=NAMES,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            dynamic_shapes=((free, free, None, free, free, {0: free[0]}),),
        )
    assert program is not None
    options = SessionOptions()
    options.intra_op_num_threads = 1
    return InferenceSession(program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def microseconds(way: Callable[[], object]) -> float:
    """What it takes, once."""
    begun = time.perf_counter()
    way()
    return 1e6 * (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
