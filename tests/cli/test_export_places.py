"""Where `reason export` writes: what it replaces, and what it never does."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import run

from reason_cli.engine.export_place import folder_for
from reason_cli.errors import ReasonError


def export(checkpoint, output=None, *more):
    to = [] if output is None else ["--output", output]
    return run("export", "state-dict", "--checkpoint", checkpoint, *to, "--threads", 1, *more)


@pytest.fixture
def own(tiny, trained, tmp_path):
    """A run that may be lost."""
    return Path(shutil.copytree(trained[0], tmp_path / "runs" / "own"))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("place", [".", "final", "..", "../.."])
def test_what_is_exported_is_never_replaced(own, tmp_path, place):
    output, before = own / place, files(tmp_path)
    result = export(own, output, "--force")
    assert result.code == 2
    assert result.error_line == f"error: {output} holds what is exported; choose another --output"
    assert files(tmp_path) == before


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_force_keeps_what_no_export_wrote(own, tmp_path, kind):
    output = tmp_path / "mine"
    if kind == "folder":
        output.mkdir()
    (output / "mine.txt" if kind == "folder" else output).write_text("mine")
    result = export(own, output, "--force")
    assert result.code == 2
    assert f"{output} is nothing that `reason export` wrote, so that --force keeps it" in result.error_line
    assert (output / "mine.txt" if kind == "folder" else output).read_text() == "mine"


def test_an_empty_folder_may_be_replaced(own, tmp_path):
    (tmp_path / "empty").mkdir()
    assert export(own, tmp_path / "empty").code == 2
    export(own, tmp_path / "empty", "--force").ok()
    assert (tmp_path / "empty" / "export.json").is_file()


@pytest.mark.parametrize("leads", ["to a folder", "nowhere"])
def test_a_link_is_refused_before_any_work(own, tmp_path, leads):
    target, link = tmp_path / "target", tmp_path / "link"
    if leads == "to a folder":
        target.mkdir()
    link.symlink_to(target)
    result = export(own, link, "--force")
    assert result.code == 2 and f"{link} is a link; pass the folder that it leads to" in result.error_line
    assert link.is_symlink() and target.exists() == (leads == "to a folder")


def test_a_name_that_is_too_long_is_one_line(own, tmp_path):
    result = export(own, tmp_path / ("x" * 300))
    assert result.code == 1 and "File name too long; choose another --output" in result.error_line


def test_a_run_may_be_named_by_where_one_is(own, monkeypatch):
    monkeypatch.chdir(own)
    export(".").ok()
    assert (own.parent / "own-state-dict" / "export.json").is_file()
    monkeypatch.chdir(own / "final")
    shutil.rmtree(own.parent / "own-state-dict")
    export("..").ok()
    assert (own.parent / "own-state-dict" / "export.json").is_file()


def test_two_at_once_do_not_meet(tmp_path):
    output = tmp_path / "out"

    def write(word: str) -> str:
        try:
            with folder_for(output, force=False) as folder:
                both.wait()
                (folder / "word.txt").write_text(word)
                both.wait()
        except ReasonError as error:
            return str(error)
        return ""

    from threading import Barrier

    both = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(write, ["one", "other"]))
    assert said[0] == "" and str(output) in said[1], "the second is told, and takes nothing from the first"
    assert (output / "word.txt").read_text() in ("one", "other") and os.listdir(tmp_path) == ["out"]


def test_what_is_replaced_is_there_until_the_new_one_is(tmp_path, monkeypatch):
    output = tmp_path / "out"
    output.mkdir()
    (output / "old.txt").write_text("old")
    rename = Path.rename

    def refusing(self, target):
        if self.name.endswith(".partial"):
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises(ReasonError, match="Permission denied"), folder_for(output, force=True):
        pass
    assert (output / "old.txt").read_text() == "old" and os.listdir(tmp_path) == ["out"]


def test_what_may_be_there_for_each_is_seen_before_the_model_is_loaded(own, tmp_path, monkeypatch):
    from reason_cli.cli import jobs

    export(own, tmp_path / "out").ok()
    monkeypatch.setattr(jobs, "subject", lambda *given: pytest.fail("it was loaded"))
    assert export(own, tmp_path / "out").code == 2


def test_an_export_is_not_exported(own, tmp_path):
    export(own, tmp_path / "out").ok()
    result = export(tmp_path / "out")
    assert result.code == 2
    assert result.error_line == (
        f"error: {tmp_path}/out is an export already, in state-dict; "
        f"export the checkpoint that {tmp_path}/out/export.json names"
    )
