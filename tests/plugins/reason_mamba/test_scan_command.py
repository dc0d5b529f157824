"""`reason scan`: engines by name, and devices that are not there."""

import pytest
import torch
from support import run

SMALL = ("--d-inner", 8, "--d-state", 4, "--length", 6)


def test_engines_are_checked_and_timed():
    said = run("scan", *SMALL, "--device", "cpu").ok().out
    assert "batch 1, length 6, d_inner 8, d_state 4, cpu" in said
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line.startswith(("torch", "cpu"))}
    assert rows.keys() == {"torch", "cpu"} and all(float(row[1]) < 1e-5 > float(row[2]) for row in rows.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="it is there")
def test_a_device_that_is_not_there_is_one_line():
    result = run("scan", *SMALL, "--device", "cuda")
    assert result.code == 1 and "no CUDA device here" in result.error_line


def test_an_unknown_device_is_a_usage_error():
    assert run("scan", *SMALL, "--device", "tpu").code == 2
