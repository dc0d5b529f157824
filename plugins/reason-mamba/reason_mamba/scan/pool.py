"""Runs a compiled kernel on torch's own threads.

A second thread pool beside torch's would fight it: after each parallel region the idle workers of one pool spin for
a while on the cores that the other needs. So a kernel is a C function `void kernel(void *arguments)` that every
thread of a team runs at once, each drawing task numbers from a counter in its arguments until none is left, and the
team comes from the OpenMP runtime that torch is linked to, with `torch.get_num_threads()` members. Where that
runtime has no such entry (macOS, Windows), a few Python threads do the same.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch

_started_in = os.getpid()


def run(kernel: Any, address: int, threads: int) -> None:
    """Run `kernel` (a numba cfunc of one address) on `threads` threads and wait for all of them.

    At `address` are int64 that the kernel understands. A process forked from this one runs the kernel on one thread:
    threads do not survive a fork.
    """
    if threads == 1 or os.getpid() != _started_in:
        kernel.ctypes(address)
    else:
        _team()(kernel, address, threads)


def description() -> str:
    """Which threads kernels run on, for people."""
    return "torch's OpenMP threads" if _openmp_entry() else "Python threads"


def _team() -> Callable[[Any, int, int], None]:
    return _run_openmp if _openmp_entry() else _run_python


@cache
def _openmp_entry() -> Any:
    """The OpenMP runtime's 'run this on a team', looked up through torch's library; None where there is none."""
    for name in ("libtorch_cpu.so", "libtorch.so"):
        try:
            entry = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / name)).GOMP_parallel
        except (OSError, AttributeError):
            continue
        entry.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        entry.restype = None
        return entry
    return None


def _run_openmp(kernel: Any, address: int, threads: int) -> None:
    _openmp_entry()(kernel.address, address, threads, 0)


def _run_python(kernel: Any, address: int, threads: int) -> None:
    helpers = [_python_pool(threads).submit(kernel.ctypes, address) for _ in range(threads - 1)]
    kernel.ctypes(address)
    for helper in helpers:
        helper.result()


_pool_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}


def _python_pool(threads: int) -> ThreadPoolExecutor:
    with _pool_lock:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(threads - 1, thread_name_prefix="selective-scan")
        return _pools[threads]
