"""`reason train` within the memory there is: what it chooses, what it does when that was too much, how it resumes."""

from __future__ import annotations

import re
import shutil
import sys

import pytest
from support import TINY, TINY_PLUGIN, Site, read_lines, run, spawn, weights

from reason_cli.engine.fitting import Used
from reason_cli.toml import read_toml

STEPS = 4
ROWS = ("--dataset", "additions@350", "--micro-batch-size", 256)

# An address space that ends a little above what is taken when the first step begins.
LIMITED = """
import resource
from reason_cli import hookimpl
from reason_cli.testing import TinyLlama

MEBIBYTE = 2**20

class Limited(TinyLlama):
    name = "limited"
    presets = {}

    def build(self, options, tokenizer):
        model = super().build(options, tokenizer)
        first = model.register_forward_pre_hook(lambda *_: (limit(), first.remove()) and None)
        return model

def limit():
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM * MEBIBYTE, resource.RLIM_INFINITY))

@hookimpl
def register_architectures():
    return [Limited()]
"""


def step(folder):
    """How a run's rows went through its model, as its record says."""
    fit = read_toml(folder / "run.toml")["run"]["fit"]
    return fit["micro_batch_size"], fit["gradient_accumulation_steps"], fit["gradient_checkpointing"]


def losses(folder):
    return [line["loss"] for line in read_lines(folder / "metrics.jsonl") if "loss" in line]


def sizes(folder):
    """The rows at a time that a run went over to."""
    return [line["micro_batch_size"] for line in read_lines(folder / "metrics.jsonl") if "micro_batch_size" in line]


def close(one, other):
    return one.keys() == other.keys() and all(float((one[name] - other[name]).abs().max()) < 1e-5 for name in one)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with 256 rows at a time: what every other here must come out as."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        site = Site(folder / "site", patch)
        site.add("tiny", TINY_PLUGIN)
        trained = train(folder / "run").ok()
        site.close()
    return folder / "run", trained


def train(folder, *more):
    """Four steps of 256 rows."""
    steps = ("--max-steps", STEPS, "--save-steps", 2, "--eval-steps", 2, "--logging-steps", 1)
    return run("train", *TINY, *ROWS, *steps, "--samples", 0, "--output", folder, *more)


def test_a_run_that_fits_is_as_asked_and_says_what_it_takes(whole):
    folder, result = whole
    assert step(folder) == (256, 1, False) and not sizes(folder)
    line = next(line for line in result.err.splitlines() if line.startswith("memory: "))
    assert re.fullmatch(r"memory: 256 rows of up to \d+ tokens at a time; about \d+ MiB of [\d.]+ [GM]iB", line)
    fit = read_toml(folder / "run.toml")["run"]["fit"]
    assert fit["fits"] and fit["memory"]["total"] <= fit["memory"]["budget"] and 60 < fit["length"] <= 128


def test_less_memory_means_fewer_rows_at_a_time_and_the_same_weights(tiny, whole, tmp_path):
    result = train(tmp_path / "run", "--vram", "0.05").ok()
    size, times, recomputed = step(tmp_path / "run")
    assert size < 256 and size * times == 256 and not recomputed
    assert f"memory: {size} rows" in result.err and f"(asked: 256), {times} times per step" in result.err
    assert losses(tmp_path / "run") == pytest.approx(losses(whole[0]), abs=1e-5)
    assert close(weights(tmp_path / "run" / "final"), weights(whole[0] / "final"))
    again = train(tmp_path / "again", "--vram", "0.05", "--no-vram-auto").ok()
    assert step(tmp_path / "again") == (256, 1, False) and "memory: 256 rows" in again.err


def test_what_cannot_run_here_is_refused_before_a_run_directory_is_made(tiny, tmp_path):
    for asked, said, code in (
        (("--vram", "16tb"), "hardware.vram cannot be '16tb'", 2),
        (("--optimizer", "paged_adamw"), "train.optimizer paged_adamw", 1),
    ):
        result = train(tmp_path / "run", *asked)
        assert result.code == code and said in result.error_line and not (tmp_path / "run").exists()


def test_what_does_not_fit_on_a_cpu_is_tried_all_the_same(tiny, tmp_path):
    result = train(tmp_path / "run", "--vram", "0.0005", "--micro-batch-size", 4).ok()
    assert "warning: 'tiny-llama' does not fit: 1 row of up to" in result.err and "reason plan" in result.err
    assert step(tmp_path / "run") == (1, 4, True)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of an address space is Linux's")
def test_memory_that_truly_runs_out_is_survived(tiny, whole, tmp_path):
    """A process of its own whose address space ends 80 MiB above what it has when its first step begins."""
    tiny.add("limited", LIMITED.replace("ROOM", "80"))
    folder = tmp_path / "run"
    steps = ("--max-steps", STEPS, "--save-steps", 2, "--eval-steps", 2)
    done = spawn("train", *TINY, *ROWS, *steps, "--samples", 0, "--arch", "limited", "--output", folder).ok()
    assert sizes(folder)[0] == 128.0 and step(folder) == (256, 1, False)
    assert "warning: step 1: out of memory, so from here on 128 rows at a time" in done.err
    assert "out of memory" in (folder / "train.log").read_text(encoding="utf-8")
    assert losses(folder) == pytest.approx(losses(whole[0]), abs=1e-4) and len(losses(folder)) == STEPS
    assert close(weights(folder / "final"), weights(whole[0] / "final"))
    kept = Used.of(folder / "checkpoints" / f"checkpoint-{STEPS}")
    assert kept == Used(int(sizes(folder)[-1]), False), "what a resume goes on with"


def test_a_resumed_run_keeps_the_rows_at_a_time_unless_others_are_asked_for(tiny, whole, tmp_path):
    """Bit for bit, also where memory now allows more."""
    halved = tmp_path / "halved"
    train(halved, "--vram", "0.05").ok()
    size, times, _ = step(halved)
    before = weights(halved / "final")
    shutil.rmtree(halved / "final")
    shutil.rmtree(halved / "checkpoints" / "checkpoint-4")
    asked = tmp_path / "asked"
    shutil.copytree(halved, asked)
    run("train", "--resume", halved, "--vram", "100").ok()
    assert step(halved) == (size, times, False)
    after = weights(halved / "final")
    assert all(bool((before[name] == after[name]).all()) for name in before)
    run("train", "--resume", asked, "--vram", "100", "--micro-batch-size", 256).ok()
    assert step(asked) == (256, 1, False) and close(weights(asked / "final"), before)


# --- on a GPU ----------------------------------------------------------------------------------------------------

# As much of the card as is taken when the first step begins, and a little more.
LIMITED_CARD = """
import torch
from reason_cli import hookimpl
from reason_cli.testing import TinyLlama

class Limited(TinyLlama):
    name = "limited"
    presets = {}

    def build(self, options, tokenizer):
        model = super().build(options, tokenizer)
        first = model.register_forward_pre_hook(lambda *_: (limit(), first.remove()) and None)
        return model

def limit():
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 80 * 2**20) / total)

@hookimpl
def register_architectures():
    return [Limited()]
"""


@pytest.fixture
def needs_cuda():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


def test_a_card_whose_memory_runs_out_is_survived(needs_cuda, tiny, whole, tmp_path):
    tiny.add("limited", LIMITED_CARD)
    folder = tmp_path / "run"
    steps = ("--max-steps", STEPS, "--save-steps", 2, "--eval-steps", 2, "--samples", 0)
    asked = ("--device", "cuda", "--arch", "limited", "--no-vram-auto")
    done = spawn("train", *TINY, *ROWS, *steps, *asked, "--output", folder).ok()
    assert sizes(folder) and "out of memory, so from here on" in done.err
    assert losses(folder) == pytest.approx(losses(whole[0]), abs=1e-2) and len(losses(folder)) == STEPS


def test_fp16_trains_with_a_loss_scale(needs_cuda, tiny, whole, tmp_path):
    train(tmp_path / "run", "--device", "cuda", "--precision", "fp16").ok()
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-4" / "scaler.pt").is_file()
    assert losses(tmp_path / "run") == pytest.approx(losses(whole[0]), abs=0.2)
