"""Bad input of every kind: one line that names the thing and the next step, and the right exit code."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner
from support import TINY, run, spawn, write_rows

from reason_cli import __version__
from reason_cli.cli.main import BUILTIN, reason

PLAN = ("train", "--arch", "tiny-llama", "--dry-run")

USAGE = {
    "command": (["fly"], "unknown command 'fly'"),
    "architecture": (["train", "--arch", "mumba"], "unknown architecture 'mumba'; did you mean 'mamba'?"),
    "profile": ([*PLAN, "--profile", "fsat"], "unknown profile 'fsat'; did you mean 'fast'?"),
    "profile file": ([*PLAN, "--profile", "none.toml"], "no profile file 'none.toml'"),
    "key": ([*PLAN, "--set", "train.max_step=1"], "unknown setting 'train.max_step'"),
    "dataset": ([*PLAN, "--dataset", "gsm9k"], "unknown dataset 'gsm9k'; did you mean 'gsm8k'?"),
    "split": ([*PLAN, "--dataset", "gsm8k:tset"], "no split 'tset'; did you mean 'test'?"),
    "spec": ([*PLAN, "--dataset", "gsm8k@many"], "cannot read dataset 'gsm8k@many'"),
    "file": ([*PLAN, "--dataset", "none.jsonl"], "no file 'none.jsonl'"),
    "format": ([*PLAN, "--dataset", "none.csv"], "none.csv"),
    "tokenizer": ([*PLAN, "--tokenizer", "bpe:3"], "cannot make tokenizer 'bpe:3'"),
    "after training": ([*PLAN, "--set", "eval.after_training=nothing"], "unknown dataset 'nothing'"),
    "checkpoint": (["eval", "additions", "--checkpoint", "none"], "no checkpoint 'none'"),
    "no checkpoint": (["eval", "additions"], "--checkpoint"),
    "no dataset": (["eval", "--checkpoint", "."], "missing argument 'DATASET...'"),
    "output and resume": ([*PLAN, "--resume", "a", "--output", "b"], "leave --output out"),
    "no value": (["train", "--profile"], "option '--profile' requires an argument"),
    "profile to show": (["profiles", "fsat"], "unknown profile 'fsat'"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage(tiny, case):
    arguments, said = USAGE[case]
    result = run(*arguments)
    assert said in result.error_line and result.code == 2 and result.out == ""
    assert not result.error_line.endswith(";")


def test_a_folder_that_is_no_checkpoint(tiny, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run("eval", "additions", "--checkpoint", tmp_path / "empty")
    assert result.code == 1 and "is no checkpoint: it has no config.json with weights" in result.error_line


@pytest.mark.parametrize("config", ["{", "[]", "{}", "\udcff"])
def test_a_checkpoint_whose_config_is_broken(tiny, trained, tmp_path, config):
    folder = shutil.copytree(trained[0] / "final", tmp_path / "weights")
    (folder / "config.json").write_bytes(config.encode("utf-8", "surrogateescape"))
    result = run("eval", "additions", "--checkpoint", folder)
    assert result.code == 1 and str(folder) in result.error_line


def test_a_checkpoint_whose_weights_are_truncated(tiny, trained, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    path = folder / "final" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    result = run("eval", "additions@2", "--checkpoint", folder)
    assert result.code == 1 and str(folder / "final") in result.error_line


def test_a_folder_that_is_no_run(tiny, tmp_path):
    result = run("train", "--resume", tmp_path)
    assert result.code == 1 and "is no run directory: it has no run.toml" in result.error_line


@pytest.mark.parametrize("record", ["x = ", "[run]\n", 'run = "x"\n', "[train]\nmax_steps = 5\n"])
def test_a_run_whose_record_is_broken(tiny, tmp_path, record):
    (tmp_path / "run.toml").write_text(record)
    result = run("train", "--resume", tmp_path)
    assert result.code in (1, 2) and str(tmp_path) in result.error_line


def test_an_output_that_is_taken(tiny, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    result = run("train", *TINY, "--dataset", "additions@20", "--max-steps", 1, "--output", tmp_path / "mine")
    assert result.code == 2 and "is not empty" in result.error_line


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "has no rows"),
        (["{"], "a.jsonl:1: not JSON"),
        (["[]"], "a.jsonl:1: a JSON object is needed"),
        ([{"q": 1}], "a.jsonl: no telling what the columns hold: q"),
    ],
)
def test_a_dataset_file_that_is_no_good(tiny, tmp_path, rows, said):
    path = write_rows(tmp_path / "a.jsonl", rows)
    result = run("train", *TINY, "--dataset", path, "--output", tmp_path / "run")
    assert result.code == 1 and said in result.error_line
    write_rows(path, [{"question": f"{n}?", "answer": str(n)} for n in range(20)])
    run("train", *TINY, "--dataset", path, "--output", tmp_path / "run", "--max-steps", 1).ok()


def test_an_empty_folder_is_no_dataset(tiny, tmp_path):
    (tmp_path / "a.jsonl").mkdir()
    result = run("train", *TINY, "--dataset", tmp_path / "a.jsonl")
    assert result.code == 1 and "holds no readable file" in result.error_line


def test_everything_too_long(tiny, tmp_path):
    result = run("train", *TINY, "--dataset", "additions@20", "--set", "model.max_seq_len=16")
    assert result.code == 1 and "20 of 20" in result.err.replace("18 of 18", "20 of 20")
    assert result.err.splitlines()[-1].startswith("error: ")


def test_a_hub_dataset_while_offline(tiny):
    result = run("train", *TINY, "--dataset", "gsm8k")
    assert result.code == 1
    assert "gsm8k/train.jsonl" in result.error_line and "REASON_DATA" in result.error_line


def test_a_tokenizer_of_the_hub_while_offline(tiny):
    result = run("train", *TINY, "--dataset", "additions@20", "--tokenizer", "nobody/nothing")
    assert result.code == 1 and "cannot load tokenizer 'nobody/nothing'" in result.error_line


def test_a_device_that_is_not_there(tiny):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    result = run("train", *TINY, "--dataset", "additions@20", "--device", "cuda")
    assert result.code == 1 and "device 'cuda' was asked for" in result.error_line


def test_fp16_on_a_cpu(tiny):
    result = run("train", *TINY, "--dataset", "additions@20", "--precision", "fp16")
    assert result.code == 1 and "fp16 needs a CUDA device" in result.err.splitlines()[-1]


def test_as_a_process_of_its_own(tiny):
    """The exit code and the line are those of the installed command too."""
    result = spawn("train", "--arch", "mumba")
    assert result.code == 2 and "did you mean 'mamba'?" in result.error_line and result.out == ""


# --- help and version ------------------------------------------------------------------------------------------


def test_the_version():
    result = CliRunner().invoke(reason, ["--version"])
    assert (result.exit_code, result.output) == (0, f"reason {__version__}\n")


def test_help_lists_every_command_and_bare_reason_is_help():
    text = CliRunner().invoke(reason, ["--help"]).output
    for name, first_line in BUILTIN.items():
        assert name in text and first_line in text
    bare = run()
    assert bare.code == 0 and bare.out == run("--help").out


@pytest.mark.parametrize("command", sorted(BUILTIN))
def test_every_command_has_help(command):
    result = run(command, "--help").ok()
    assert BUILTIN[command] in " ".join(result.out.split()) and result.err == ""


def test_a_closed_pipe_is_no_traceback():
    import subprocess
    import sys

    command = f"{sys.executable} -m reason_cli profiles | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
