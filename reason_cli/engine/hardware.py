"""The machine: device, threads, precision. What it can do is found out here, never guessed."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reason_cli.config import HardwareOptions
from reason_cli.engine.processes import place
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

WORTH = 1.05  # bf16 on a CPU is used when a step is at least so many times faster than in float32


@dataclass(frozen=True)
class Precision:
    """`name` is fp32, bf16 or fp16; `why` says how it was chosen."""

    name: str
    why: str


def threads() -> int:
    """The cores this process may use: its share, where it is one of several of a run on this host."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = int(os.environ.get("SLURM_CPUS_PER_TASK", "0"))  # of a task, which Slurm may not bind it to
    return min(own, given) if given else max(1, own // place().local_count)


def pick_device(options: HardwareOptions, asked_by: str = "") -> torch.device:
    """The device to run on; also sets torch's CPU thread count. Raises `ReasonError` for one not there.

    `asked_by` is the source of the setting, such as `profile rtx4080`: the error names it and what leads on from it.
    """
    import torch

    torch.set_num_threads(options.threads or threads())
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind = options.device
    if kind == "auto":
        kind = "cuda" if present["cuda"] else "mps" if present["mps"] else "cpu"
    if not present[kind]:
        raise _not_there(kind, asked_by, " and ".join(name for name, there in present.items() if there))
    return _own_card() if kind == "cuda" and place().count > 1 else torch.device(kind)


def _own_card() -> torch.device:
    """The GPU of this process among those of its host."""
    import torch

    number, there = place().local_rank, torch.cuda.device_count()
    if number >= there:
        raise ReasonError(
            f"process {number} of this host has no GPU of its own: torch finds {there}",
            f"begin {there} processes on this host",
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def _not_there(device: str, asked_by: str, present: str) -> ReasonError:
    by = f" ({asked_by})" if asked_by else ""
    hint = "use --device auto, or see what would run with --dry-run"
    profile = asked_by.removeprefix("profile ")
    if profile != asked_by:
        hint = (
            f"add --profile cpu to run here, or see what it takes with --dry-run or `reason plan --profile {profile}`"
        )
    return ReasonError(f"device '{device}' was asked for{by}, and torch finds only {present} here", hint)


def describe(device: torch.device) -> dict[str, Any]:
    """What `run.toml` keeps of the machine."""
    import torch

    facts = {"device": device.type, "threads": torch.get_num_threads(), "machine": platform.machine()}
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["gpu_memory_bytes"] = torch.cuda.get_device_properties(device).total_memory
    return facts


def native_bf16_cpu() -> bool:
    """Whether this CPU multiplies bfloat16 matrices itself rather than by way of float32."""
    import torch

    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


def pick_precision(asked: str, device: torch.device, probe: Callable[[], float] | None = None) -> Precision:
    """The precision of the matrix products.

    `probe` returns how many times faster a bf16 step is than a float32 one on this CPU; it is asked only where
    the CPU has bfloat16. Raises `ReasonError` for a precision that the device lacks.
    """
    import torch

    if device.type == "cuda":
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        if asked == "bf16" and not bf16:
            raise ReasonError("this GPU has no bf16", "use --precision fp16 or auto")
        return Precision("bf16" if bf16 else "fp16", "the GPU has it") if asked == "auto" else Precision(asked, "asked")
    if asked == "fp16":
        raise ReasonError(f"fp16 needs a CUDA device, this runs on {device.type}", "use --precision auto")
    if asked != "auto":
        return Precision(asked, "asked")
    if device.type != "cpu" or probe is None or not native_bf16_cpu():
        return Precision("fp32", f"the {device.type} default")
    gain = probe()
    why = f"a bf16 step is {gain:.2f} times as fast as a float32 one here, measured"
    return Precision("bf16" if gain >= WORTH else "fp32", why)


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which forward passes run."""
    import torch

    if precision.name == "fp32":
        return nullcontext()
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision.name]
    return torch.autocast(device.type, dtype=dtype)


def bf16_gain(model: PreTrainedModel, batch: Mapping[str, torch.Tensor], repeats: int = 4) -> float:
    """How many times faster a bf16 step (forward, backward) is than a float32 one on this very model.

    Leaves no gradients and no trace in the random state. The two are timed in turn, the faster of each kept.
    """
    import torch

    device = torch.device("cpu")
    times: dict[str, list[float]] = {"fp32": [], "bf16": []}
    training = model.training
    model.train()
    with torch.random.fork_rng(devices=[]):
        for _ in range(repeats):
            for name, taken in times.items():
                start = time.perf_counter()
                with autocast(Precision(name, ""), device):
                    loss = model(**batch).loss
                loss.backward()
                taken.append(time.perf_counter() - start)
                model.zero_grad(set_to_none=True)
    model.train(training)
    # The first step of each pays for what is set up once.
    return min(times["fp32"][1:]) / min(times["bf16"][1:])
