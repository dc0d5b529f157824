"""Several processes of one run: the same training as in one, one that speaks and writes, and how they end together."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest
import support
from support import Result, read_lines, run, spawn, start, weights

from reason_cli.engine import processes
from reason_cli.engine.dealing import Dealt
from reason_cli.engine.failures import Record, records, verdict
from reason_cli.engine.hardware import threads
from reason_cli.engine.launch import launch
from reason_cli.engine.order import InOrder, LengthGrouped
from reason_cli.errors import ReasonError
from reason_cli.runs import Run, is_complete
from reason_cli.toml import read_toml

# One worker runs them all: what the fixture trains takes long, and each worker would do it anew.
pytestmark = pytest.mark.xdist_group("processes")

# 37 rows in steps of 8, so that a pass does not end with a whole step, nor with a row for each process.
MAMBA = (
    *("--arch", "mamba", "--tokenizer", "bytes", "--device", "cpu", "--precision", "fp32", "--threads", "1"),
    *("--set", "model.d_model=16", "--set", "model.n_layer=2", "--set", "model.dropout=0"),
    *("--set", "model.max_seq_len=600", "--dataset", "word-problems@46", "--validation-split", "0.2"),
    *("--micro-batch-size", "4", "--learning-rate", "1e-2", "--warmup-steps", "2", "--logging-steps", "1"),
    *("--max-steps", "6", "--save-steps", "3", "--eval-steps", "3", "--samples", "0"),
    *("--set", "eval.max_new_tokens=4", "--eval-accuracy", "3"),
)
TWICE = ("--gradient-accumulation-steps", 2)
ENDLESS = (
    *support.TINY,
    *support.SUMS,
    *("--max-steps", "100000", "--save-steps", "2", "--eval-steps", "100000", "--nproc", "2"),
)


def figures(folder, name="loss"):
    """step -> figure."""
    return {line["step"]: line[name] for line in read_lines(folder / "metrics.jsonl") if name in line}


def assert_same_training(one, other):
    """Loss curve, gradients, validations and weights, but for the order in which numbers are added up."""
    for name in ("loss", "grad_norm", "eval_loss", "eval_accuracy", "learning_rate"):
        assert figures(other, name) == pytest.approx(figures(one, name), abs=1e-4) and figures(one, name), name
    ours, theirs = weights(one / "final"), weights(other / "final")
    assert ours.keys() == theirs.keys()
    assert all(float((ours[name] - theirs[name]).abs().max()) < 1e-4 for name in ours)


def by_slurm(*arguments) -> Result:
    """`reason ARGUMENTS` in two processes, as `srun` begins them; the result of the first."""
    step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost", "SLURM_STEP_TASKS_PER_NODE": "2"}
    step |= {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_ID": "0"}
    tasks = [start(*arguments, **step, SLURM_PROCID=str(n), SLURM_LOCALID=str(n)) for n in range(2)]
    (out, err), others = tasks[0].communicate(timeout=120), tasks[1].communicate(timeout=30)
    assert (tasks[1].returncode, others) == (0, ("", "")), others
    return Result(tasks[0].returncode, out, err)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Iterator[dict[str, tuple]]:
    """The same run by one process with twice the accumulation, by two tasks of Slurm, and by two that `--nproc` began
    and that share the parameters.
    """
    folder = tmp_path_factory.mktemp("processes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        sharded = ("--nproc", 2, "--set", "train.parallel=fsdp")
        yield {
            "one": (folder / "one", run("train", *MAMBA, *TWICE, "--output", folder / "one").ok()),
            "ddp": (folder / "ddp", by_slurm("train", *MAMBA, "--output", folder / "ddp").ok()),
            "fsdp": (folder / "fsdp", spawn("train", *MAMBA, *sharded, "--output", folder / "fsdp").ok()),
        }


# --- the same training -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_train_what_one_does(runs, parallel):
    assert_same_training(runs["one"][0], runs[parallel][0])


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_the_first_process_alone_speaks_and_writes(runs, parallel):
    folder, result = runs[parallel]
    assert f"2 processes ({parallel})" in result.err and result.err.count("run:   ") == 1
    assert result.err.count("step 3: validation loss") == 1 and result.out.count("loss ") == 1
    assert [line["step"] for line in read_lines(folder / "metrics.jsonl") if "loss" in line] == list(range(1, 7))
    assert read_toml(folder / "run.toml")["run"]["processes"] == 2
    assert (folder / "train.log").read_text(encoding="utf-8").count("run:   ") == 1
    assert len(list((folder / "tensorboard").iterdir())) == 1
    one = {path.name for path in (runs["one"][0] / "checkpoints" / "checkpoint-3").iterdir()}
    two = {path.name for path in (folder / "checkpoints" / "checkpoint-3").iterdir()}
    assert two - one == {"rng_state_0.pth", "rng_state_1.pth"} and one - two == {"rng_state.pth"}
    assert all(is_complete(path) for path in (folder / "checkpoints").iterdir())


def halved(folder, to):
    """A run as it was at its third step."""
    shutil.copytree(folder, to)
    shutil.rmtree(to / "final")
    shutil.rmtree(to / "checkpoints" / "checkpoint-6")
    return to


@pytest.mark.parametrize(("before", "parallel"), [("ddp", "fsdp"), ("fsdp", "ddp")])
def test_two_processes_resume_what_two_began_however_they_shared_it(runs, tmp_path, before, parallel):
    resumed = halved(runs[before][0], tmp_path / "run")
    spawn("train", "--resume", resumed, "--nproc", 2, "--set", f"train.parallel={parallel}").ok()
    assert_same_training(runs["one"][0], resumed)


def test_one_process_resumes_what_two_began_and_says_when_a_step_changes(runs, tmp_path):
    resumed = halved(runs["fsdp"][0], tmp_path / "run")
    shutil.copytree(resumed, tmp_path / "other")
    result = run("train", "--resume", resumed, *TWICE).ok()
    assert "a step of" not in result.err
    assert_same_training(runs["one"][0], resumed)
    result = run("train", "--resume", tmp_path / "other").ok()
    assert "the run had 2 processes and a step of 8 rows; with 1 it has 4" in result.err


@pytest.mark.parametrize(("rows", "size", "count"), [(37, 4, 2), (3, 2, 4), (16, 4, 2)])
def test_rows_are_dealt_out_to_all_processes_once_and_filled_up_with_idle_ones(rows, size, count):
    fill = size * count
    orders = [LengthGrouped([1] * rows, size, 0, fill=fill), InOrder(rows, fill)]
    for order in orders:
        dealt = list(order)
        assert len(dealt) == len(order) and len(dealt) % fill == 0 and len(dealt) < rows + fill
        assert sorted(row for row in dealt if row < rows) == list(range(rows))
        assert set(dealt[rows:]) <= {rows}, "idle rows come last"


def test_an_idle_row_is_read_and_not_learned(tokenizer):
    import numpy as np

    from reason_cli.engine.batches import Collator
    from reason_cli.engine.tokens import IGNORED, TokenDataset

    rows = TokenDataset(np.arange(3), np.array([3]), np.array([1, 2]), np.array([2]), np.array([0]))
    dealt = Dealt(rows, tokenizer.pad_token_id)
    assert len(dealt) == 1 and list(dealt[0]["input_ids"]) == [0, 1, 2]
    batch = Collator(tokenizer.pad_token_id)([dealt[1], dealt[1]])
    assert bool((batch["labels"] == IGNORED).all()) and bool((batch["input_ids"] != tokenizer.pad_token_id).all())


# --- how they end ------------------------------------------------------------------------------------------------


def begun(output, *more) -> subprocess.Popen[str]:
    """A run of two processes without end, after a few steps."""
    process = start("train", *ENDLESS, "--output", output, *more)
    until = time.monotonic() + 90
    while not (output / "metrics.jsonl").is_file() or len(read_lines(output / "metrics.jsonl")) < 6:
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.1)
    return process


def workers(process) -> dict[int, psutil.Process]:
    """The processes of a run by rank."""
    children = psutil.Process(process.pid).children(recursive=True)
    return {int(child.environ()["RANK"]): child for child in children if "RANK" in child.environ()}


def result_of(process) -> Result:
    out, err = process.communicate(timeout=30)
    return Result(process.returncode, out, err)


def test_a_process_that_dies_ends_the_others_with_a_clear_message_and_a_checkpoint(tiny, tmp_path):
    process = begun(tmp_path / "run")
    ranks = workers(process)
    ranks[1].kill()
    ended = result_of(process)
    checkpoint = Run(tmp_path / "run").complete_checkpoints()[-1]
    assert ended.code == 1 and "Traceback" not in ended.err
    said = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1 and said[0].startswith("error: rank 1 died (SIGKILL) at about step ")
    assert said[0].endswith(
        f"; the last checkpoint is {checkpoint}: reason train --resume {tmp_path / 'run'} --nproc 2"
    )
    assert not any(rank.is_running() for rank in ranks.values())
    step = int(checkpoint.name.removeprefix("checkpoint-"))
    assert run("train", "--resume", tmp_path / "run", "--max-steps", step + 1).ok()


def test_a_signal_to_the_run_saves_and_stops_every_process(tiny, tmp_path):
    process = begun(tmp_path / "run", "--set", "train.parallel=fsdp")
    process.send_signal(signal.SIGTERM)
    ended = result_of(process)
    last = Run(tmp_path / "run").complete_checkpoints()[-1]
    step = int(last.name.removeprefix("checkpoint-"))
    told = f"stopped by SIGTERM at step {step:,}, saved: reason train --resume {tmp_path / 'run'} --nproc 2"
    assert ended.code == 1 and ended.err.splitlines()[-1] == told
    assert figures(tmp_path / "run", "loss").keys() >= {step}


BROKEN = """
import os
from reason_cli import ReasonError, hookimpl
from reason_cli.testing import TinyLlama

class Broken(TinyLlama):
    name = "broken"
    model_type = "broken"
    presets = {}

    def build(self, options, tokenizer):
        if os.environ.get("RANK") == "1":
            raise ReasonError("the second process has no model", "give it one")
        return super().build(options, tokenizer)

@hookimpl
def register_architectures():
    return [Broken()]
"""


def test_an_error_in_one_process_is_told_once(tiny, tmp_path):
    tiny.add("broken", BROKEN)
    ended = spawn("train", *ENDLESS, "--arch", "broken", "--output", tmp_path / "run")
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == "error: the second process has no model; give it one"
    assert ended.err.count("error") == 1 and "Traceback" not in ended.err


def test_what_is_asked_wrongly_is_refused_before_any_process_is_begun(tiny, tmp_path):
    assert run("train", "--nproc", 0).code == 2
    asked = ("train", *support.TINY, *support.SUMS, "--output", tmp_path / "run", "--nproc", 2)
    assert "unknown setting" in run(*asked, "--set", "train.parallell=ddp").error_line
    fp16 = run(*asked, "--parallel", "fsdp", "--precision", "fp16")
    assert fp16.code == 2 and "fp16" in fp16.error_line and "fsdp" in fp16.error_line
    assert "parameters" in run(*asked, "--dry-run").ok().out
    assert not (tmp_path / "run").exists()


def test_as_many_gpus_are_needed_as_processes(monkeypatch, tmp_path):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ReasonError, match="--nproc 3 needs as many GPUs, and torch finds 2; --nproc 2"):
        launch([], 3, torch.device("cuda"), Run(tmp_path))
    with pytest.raises(ReasonError, match="cannot share the device 'mps'"):
        launch([], 2, torch.device("mps"), Run(tmp_path))


# --- who they are ------------------------------------------------------------------------------------------------


def test_a_process_that_is_begun_among_others_says_so(tiny, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert "one of 3 processes already" in run("train", *support.TINY, *support.SUMS, "--nproc", 2).error_line


def test_cores_are_divided_among_the_processes_of_a_host(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert threads() == 8
    for name, value in {"RANK": "5", "WORLD_SIZE": "6", "LOCAL_RANK": "2", "LOCAL_WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    assert processes.place() == processes.Place(5, 6, 2, 3) and not processes.is_first()
    assert threads() == 2
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
    assert threads() == 4


SLURM = {
    "SLURM_STEP_NUM_TASKS": "6",
    "SLURM_PROCID": "4",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_TASKS_PER_NODE": "3(x2)",
    "SLURM_JOB_ID": "70012",
    "SLURM_STEP_ID": "2",
}


@pytest.mark.parametrize(
    ("nodes", "first"), [("gpu[03-05,9],old1", "gpu03"), ("a-1,b", "a-1"), ("node7", "node7"), ("r2n[11,4]", "r2n11")]
)
def test_tasks_of_slurm_meet_at_their_first_node(nodes, first):
    environ = {**SLURM, "SLURM_STEP_NODELIST": nodes}
    processes.adopt_slurm(environ)
    assert [environ[name] for name in processes.VARIABLES] == ["4", "6", "1", "3"]
    assert environ["MASTER_ADDR"] == first and environ["MASTER_PORT"] == "30014"


def test_a_batch_script_and_what_torchrun_began_are_no_tasks_of_slurm():
    for environ in ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, {**SLURM, "RANK": "1", "SLURM_STEP_NODELIST": "a"}):
        before = dict(environ)
        processes.adopt_slurm(environ)
        assert environ == before


def failure(code, at=0):
    return SimpleNamespace(exitcode=code, timestamp=at)


A, B = Record(1, "error: a", 2, time=5.0), Record(0, "error: b", 1, time=6.0)
LOST = Record(2, "error: lost", 1, lost=True, time=4.0)


@pytest.mark.parametrize(
    ("failures", "told", "ended"),
    [
        ({0: failure(1), 1: failure(-15)}, [A], (2, "error: a")),
        ({0: failure(1)}, [B, A], (2, "error: a")),
        ({0: failure(1), 2: failure(1)}, [LOST, B], (1, "error: b")),
        ({2: failure(1)}, [LOST], (1, "error: lost")),
        ({1: failure(2), 0: failure(-9, 40)}, [A], (2, "error: a")),
        ({0: failure(1)}, [], (1, "")),
    ],
)
def test_the_cause_is_told_and_not_its_consequences(tmp_path, failures, told, ended):
    import json

    for number, record in enumerate(told):
        (tmp_path / f"{number}.json").write_text(json.dumps(vars(record)))
    found = verdict(failures, records(tmp_path), 2, Run(tmp_path / "run"))
    assert (found.code, found.text) == ended


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        ({2: failure(1, 9), 1: failure(-11, 9)}, "rank 1 died (SIGSEGV)"),
        ({0: failure(-15, 9), 1: failure(7, 9)}, "rank 1 died (exit code 7)"),
    ],
)
def test_a_death_without_a_word_is_named(tmp_path, failures, said):
    with pytest.raises(ReasonError) as error:
        verdict(failures, [LOST], 2, Run(tmp_path / "run"))
    assert str(error.value).startswith(said) and "before the first step" in str(error.value)
