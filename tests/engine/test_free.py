"""Memory that a control group leaves this process, read from files like the kernel's."""

from __future__ import annotations

from pathlib import Path

from reason_cli.engine.free import group_free_bytes


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
