"""Every test: offline, in a folder of its own, without the person's settings, with a fresh plugin manager."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Before anything imports the hub's client, which reads these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="reason-tests-hub-")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Compiled kernels and the list of fonts are kept between runs; every other cache is a test's own.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path.home() / ".cache" / "reason-tests-kernels"))
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "reason-tests-fonts"))

import pytest
import support


@pytest.fixture(autouse=True)
def isolated(request, tmp_path, monkeypatch):
    """No setting of the person who runs the tests reaches them; plugins' own tests may see REASON_DATA."""
    keep = {"REASON_DATA"} if "plugins" in request.path.parts else set()
    for name in [n for n in os.environ if n.startswith("REASON_") and n not in keep]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("NO_COLOR", "1")
    if "plugins" not in request.path.parts:
        monkeypatch.chdir(tmp_path)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A place to install plugins into, for one test."""
    place = support.Site(tmp_path / "site", monkeypatch)
    yield place
    place.close()


@pytest.fixture
def tiny(site):
    """The project's fakes as an installed plugin: architecture tiny-llama, dataset additions."""
    site.add("tiny", support.TINY_PLUGIN)
    return site


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished run of the tiny Llama, and what was printed. Read it, do not change it."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        place = support.Site(folder / "site", patch)
        place.add("tiny", support.TINY_PLUGIN)
        patch.setenv("COLUMNS", "250")
        result = support.train_tiny(folder / "run", steps=30).ok()
        place.close()
    return folder / "run", result
