"""Every test: offline, in a folder of its own, without the person's settings, with a fresh plugin manager."""

from __future__ import annotations

import gc
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
# The consoles ask for their width once, when the first test imports them.
os.environ["COLUMNS"] = "250"
# Workers share the cores: more threads than those would wait for each other.
os.environ.setdefault(
    "OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))))
)

import psutil
import pytest
import support

WORKER_BYTES = 3 * 2**30  # what a worker and the processes that it begins hold at most


def pytest_xdist_auto_num_workers(config):
    """A worker per core, as far as memory goes."""
    return max(1, min(os.cpu_count() or 1, psutil.virtual_memory().available // WORKER_BYTES))


def pytest_collection_finish():
    """What the imports left behind stays: every run that ends collects garbage, and would look through it anew."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def isolated(request, tmp_path_factory, monkeypatch):
    """No setting of the person who runs the tests reaches them; plugins' own tests may see REASON_DATA.

    pytest looks through all folders of a test's name to number a new one: a test that asks for none gets another.
    """
    asked = "tmp_path" in request.fixturenames
    place = request.getfixturevalue("tmp_path") if asked else Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    keep = {"REASON_DATA"} if "plugins" in request.path.parts else set()
    for name in [n for n in os.environ if n.startswith("REASON_") and n not in keep]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    if "plugins" not in request.path.parts:
        monkeypatch.chdir(place)


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
        result = support.train_tiny(folder / "run", steps=30).ok()
        place.close()
    return folder / "run", result
