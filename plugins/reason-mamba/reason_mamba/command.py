"""`reason scan`: which scan engines run on this machine, whether they agree with the reference, how fast they are."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from reason_cli import ReasonError

INPUTS = ("u", "delta", "A", "B", "C", "D", "z", "bias")


@click.command("scan")
@click.option("--d-inner", default=1024, show_default=True, type=click.IntRange(1), help="Channels.")
@click.option("--d-state", default=16, show_default=True, type=click.IntRange(1), help="States per channel.")
@click.option("--length", default=512, show_default=True, type=click.IntRange(1), help="Steps.")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1), help="Rows.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]), help="Where.")
def scan_command(d_inner: int, d_state: int, length: int, batch: int, device: str) -> None:
    """Check and time the selective scan's engines.

    Each engine's output and gradients are compared with the same scan in float64 (relative error), then forward and
    backward are timed. An engine that cannot run says why.
    """
    import torch
    from rich.console import Console
    from rich.table import Table

    from reason_mamba.scan import ENGINE_NAMES, resolve_engine

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device == "cuda" and not torch.cuda.is_available():
        raise ReasonError("there is no CUDA device here, or this torch has no CUDA", "pass --device cpu")
    inputs = _inputs(batch, d_inner, d_state, length, device)
    exact = _run("torch", {name: tensor.double() for name, tensor in inputs.items()})
    table = Table("engine", "output error", "gradient error", "forward", "backward", "", box=None, pad_edge=False)
    for name in ENGINE_NAMES[1:]:
        try:
            resolve_engine(name, device)
        except ReasonError as error:
            table.add_row(name, "", "", "", "", error.message)
            continue
        found = _run(name, inputs)
        errors = [_relative(found[key], exact[key]) for key in exact]
        forward, backward = _seconds(name, inputs)
        cells = (f"{errors[0]:.0e}", f"{max(errors[1:]):.0e}", f"{forward * 1e3:.1f} ms", f"{backward * 1e3:.1f} ms")
        table.add_row(name, *cells, resolve_engine(name, device).description)
    Console(soft_wrap=True).print(
        f"batch {batch}, length {length}, d_inner {d_inner}, d_state {d_state}, {device}, "
        f"{torch.get_num_threads()} threads; auto is {resolve_engine('auto', device).name}\n",
        table,
    )


def _inputs(batch: int, d_inner: int, d_state: int, length: int, device: str) -> dict:
    """Random arguments with the statistics of a new model: steps from 0.001 to 0.1, decays from 1 to d_state."""
    import torch

    random = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=random)

    inputs = {
        "u": normal(batch, length, d_inner).transpose(1, 2),
        "delta": (normal(batch, length, d_inner) * 0.5 - 4.6).transpose(1, 2),
        "A": -torch.arange(1.0, d_state + 1).repeat(d_inner, 1),
        "B": normal(batch, length, d_state).transpose(1, 2),
        "C": normal(batch, length, d_state).transpose(1, 2),
        "D": torch.ones(d_inner),
        "z": normal(batch, length, d_inner).transpose(1, 2),
        "bias": normal(d_inner) * 0.1,
    }
    return {name: tensor.to(device) for name, tensor in inputs.items()}


def _forward(engine: str, leaves: dict):
    from reason_mamba.scan import selective_scan

    u, delta, A, B, C, D, z, bias = (leaves[name] for name in INPUTS)
    return selective_scan(u, delta, A, B, C, D, z, delta_bias=bias, delta_softplus=True, engine=engine)


def _run(engine: str, inputs: dict) -> dict:
    """The output, then the gradient of each input, of one pass."""
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in inputs.items()}
    out = _forward(engine, leaves)
    out.square().mean().backward()
    return {"out": out.detach(), **{name: leaf.grad for name, leaf in leaves.items()}}


def _relative(found, exact) -> float:
    return float((found.double() - exact).norm() / exact.norm())


def _seconds(engine: str, inputs: dict, repeats: int = 5) -> tuple[float, float]:
    """The fastest forward and backward of a few."""
    import torch

    leaves = {name: tensor.detach().requires_grad_() for name, tensor in inputs.items()}
    wait: Callable[[], None] = torch.cuda.synchronize if inputs["u"].is_cuda else lambda: None
    times = []
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        out = _forward(engine, leaves)
        wait()
        middle = time.perf_counter()
        out.backward(torch.ones_like(out))
        wait()
        times.append((middle - start, time.perf_counter() - middle))
    return min(t[0] for t in times), min(t[1] for t in times)
