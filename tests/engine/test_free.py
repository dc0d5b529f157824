"""Memory that a control group leaves this process, read from files like the kernel's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reason_cli.engine import callbacks
from reason_cli.engine.free import group_free_bytes

# Pieces that the heap serves, every second of which is freed again: resident before and after, in MiB.
HOLES = """
import psutil
from reason_cli.engine.free import trim_heap
pieces = [bytearray(b"x" * 60_000) for _ in range(4_000)]
del pieces[::2]
held = [psutil.Process().memory_info().rss >> 20, trim_heap(), psutil.Process().memory_info().rss >> 20]
print(held[0], held[2])
"""


def group(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n", encoding="ascii")


def test_a_control_group_leaves_its_limit_less_what_is_used(tmp_path):
    group(tmp_path, {"cgroup.procs": ""})
    group(
        tmp_path / "slice", {"memory.max": "1000", "memory.current": "700", "memory.stat": "anon 1\ninactive_file 50"}
    )
    group(tmp_path / "slice" / "box", {"memory.max": "max", "memory.current": "600"})
    assert group_free_bytes(tmp_path, "0::/slice/box\n") == [350]
    assert group_free_bytes(tmp_path, "0::/elsewhere\n") == []


def test_version_1_and_a_group_outside_the_containers_view(tmp_path):
    names = {"memory.limit_in_bytes": "2000", "memory.usage_in_bytes": "2500"}
    group(tmp_path / "memory", {**names, "memory.stat": "total_inactive_file 100"})
    assert group_free_bytes(tmp_path, "8:pids:/\n4:memory:/docker/abc\n0::/\n") == [0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc's heap keeps what was freed")
def test_holes_in_the_heap_are_given_back():
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 200 and after < before - 80


def test_the_heap_is_left_alone_until_memory_is_short(monkeypatch):
    trimmed, now, free = [], [0.0], [1_000]
    monkeypatch.setattr(callbacks, "trim_heap", lambda: trimmed.append(now[0]))
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now[0])
    guard = callbacks.HeapGuard(lambda: free[0], least=500)
    for now[0], free[0] in ((0.0, 500), (1.5, 499), (1.6, 100), (2.6, 100), (4.0, 600)):
        guard.on_step_end(None, None, None)
    assert trimmed == [1.5, 2.6]
