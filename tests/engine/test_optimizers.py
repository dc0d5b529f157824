"""Optimizers by name: each is known to the library and to the planner, and what cannot run is refused in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from reason_cli.config import TrainOptions, keys_of
from reason_cli.engine.memory import OPTIMIZERS
from reason_cli.engine.optimizers import LIBRARY_NAMES, OF_BITSANDBYTES, check_compiler, check_optimizer
from reason_cli.errors import ReasonError

CPU = torch.device("cpu")
CHOICES = next(key for key in keys_of("train", TrainOptions) if key.name == "optimizer").metadata["choices"]


def test_every_choice_is_known_everywhere():
    from transformers.training_args import OptimizerNames

    assert set(CHOICES) == set(LIBRARY_NAMES) == set(OPTIMIZERS)
    assert {OptimizerNames(name).value for name in LIBRARY_NAMES.values()} == set(LIBRARY_NAMES.values())


@pytest.mark.parametrize("name", [name for name in CHOICES if name.startswith("paged_")])
def test_a_paged_optimizer_needs_cuda(name):
    with pytest.raises(ReasonError, match="this runs on cpu") as error:
        check_optimizer(name, CPU)
    assert "adamw_8bit" in error.value.hint


def test_without_bitsandbytes_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    for name in CHOICES:
        if name in OF_BITSANDBYTES:
            with pytest.raises(ReasonError, match="bitsandbytes") as error:
                check_optimizer(name, torch.device("cuda"))
            assert 'pip install "reason-cli[8bit]"' in error.value.hint
        else:
            check_optimizer(name, CPU)


def test_bitsandbytes_is_imported_quietly():
    pytest.importorskip("bitsandbytes")
    code = (
        "from reason_cli.engine.optimizers import *; import torch; check_optimizer('adamw_8bit', torch.device('cpu'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_machine_that_cannot_compile_says_so(monkeypatch):
    def no_compiler(function):
        raise RuntimeError("No working C++ compiler found in cpp.cxx: (None, 'g++')\nand more")

    monkeypatch.setattr(torch, "compile", no_compiler)
    with pytest.raises(ReasonError) as error:
        check_compiler(CPU)
    assert "No working C++ compiler found" in str(error.value) and "\n" not in str(error.value)
    assert "--compile" in error.value.hint
