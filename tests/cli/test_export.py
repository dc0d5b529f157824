"""`reason export` with an exporter for tests: what the core promises of every format."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from support import run

from reason_cli import testing
from reason_cli.engine import export_place


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a small Llama and its tokenizer."""
    torch.manual_seed(0)
    folder, tokenizer = tmp_path_factory.mktemp("models") / "llama", testing.byte_tokenizer()
    testing.TinyLlama().build(testing.TinyLlamaOptions(max_seq_len=512), tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def export(trained, output, *more):
    return run("export", "state-dict", "--checkpoint", trained, "--output", output, "--threads", 1, *more)


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_is_compared_and_recorded(tiny, trained, tmp_path):
    result = export(trained, tmp_path / "out").ok()
    assert "out: state-dict, fp32," in result.out and "100.0% of 512 tokens are the same" in result.out
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    assert set(record["parity"]["differences"]) == {
        *("lengths", "lengths, last token", "batches", "batches, last token", "padding", "padding, last token"),
        *("pieces", "pieces, read twice", "said"),
    }
    assert 0 <= record["parity"]["largest_difference"] <= record["parity"]["allowed_difference"] < 1e-2
    assert record["checkpoint"] == str(trained) and record["format"] == "state-dict"
    assert {"weights.safetensors", "tokenizer.json", "generation_config.json"} <= record["sha256"].keys()
    assert record["versions"]["torch"] == torch.__version__.partition("+")[0] or record["versions"]["torch"]
    assert hidden(tmp_path / "out") == sorted({*(name.partition("/")[0] for name in record["sha256"]), "export.json"})


def test_checksums_are_those_of_the_files(tiny, trained, tmp_path):
    import hashlib

    found = export(trained, tmp_path / "out", "--json").json()
    for name, digest in found["sha256"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest


def last_error(result):
    lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in result.err, result.err
    return lines[0]


def test_an_artefact_that_is_slightly_wrong_is_caught_and_not_left(tiny, trained, tmp_path):
    result = export(trained, tmp_path / "out", "--off-by", 0.1)
    line = last_error(result)
    assert result.code == 1 and "what state-dict wrote does not say what llama says" in line
    assert "logits differ by" in line
    assert not (tmp_path / "out").exists() and not [name for name in hidden(tmp_path) if "partial" in name]


def test_what_is_there_is_kept_unless_forced(tiny, trained, tmp_path):
    output = tmp_path / "out"
    export(trained, output).ok()
    (output / "note.txt").write_text("of the first")
    result = export(trained, output)
    assert result.code == 2
    assert result.error_line == f"error: {output} is there already; choose another --output, or replace it with --force"
    assert export(trained, output, "--force", "--off-by", 1).code == 1
    assert (output / "note.txt").read_text() == "of the first", "a mismatch replaces nothing"
    export(trained, output, "--force").ok()
    assert not (output / "note.txt").exists() and (output / "export.json").is_file()
    assert hidden(tmp_path / "out") and not [n for n in hidden(tmp_path) if n.startswith(".out")]


def test_a_place_that_cannot_be_written_is_one_line(tiny, trained, tmp_path):
    (tmp_path / "file").write_text("")
    result = export(trained, tmp_path / "file" / "out")
    assert result.code == 1 and f"cannot write {tmp_path}/file/out: Not a directory" in last_error(result)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_line(tiny, trained, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "Permission denied" in last_error(export(trained, tmp_path / "locked" / "out"))


def test_a_full_disk_is_one_line_and_leaves_nothing(tiny, trained, tmp_path, monkeypatch):
    def full(self, source, folder, options):
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(testing.StateDict, "export", full)
    line = last_error(export(trained, tmp_path / "out"))
    assert line == f"error: cannot write {tmp_path}/out: No space left on device; choose another --output"
    assert hidden(tmp_path) == [name for name in hidden(tmp_path) if not name.startswith(".out") and name != "out"]


def test_too_little_room_is_seen_before_anything_is_written(tiny, trained, tmp_path, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(export_place.shutil, "disk_usage", lambda path: usage(2**30, 2**30 - 1000, 1000))
    assert "MiB are free; choose another --output" in last_error(export(trained, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_format_that_is_not_installed_names_the_extra(tiny, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(testing.StateDict, "missing", lambda self: 'pip install "reason-cli[tests]"')
    result = export(trained, tmp_path / "out")
    assert result.code == 1
    assert result.error_line == (
        'error: state-dict needs packages that are not installed; pip install "reason-cli[tests]"'
    )
    assert 'pip install "reason-cli[tests]"' in run("export", "--list").ok().out


def test_an_unknown_format_and_an_unknown_option_are_usage_errors(tiny, trained, tmp_path):
    result = run("export", "state-dit", "--checkpoint", trained)
    assert result.code == 2
    assert result.error_line == (
        "error: unknown exporter 'state-dit'; did you mean 'state-dict'? `reason plugins` lists them"
    )
    assert export(trained, tmp_path / "out", "--set", "export.off=1").code == 2
    assert export(trained, tmp_path / "out", "--off-by", -1).code == 2


def test_a_model_that_the_format_cannot_take_is_refused(tiny, tmp_path):
    from reason_mamba.architecture import Mamba, MambaOptions

    tokenizer = testing.byte_tokenizer()
    Mamba().build(MambaOptions(d_model=16, n_layer=1), tokenizer).save_pretrained(tmp_path / "mamba")
    tokenizer.save_pretrained(tmp_path / "mamba")
    result = run("export", "state-dict", "--checkpoint", tmp_path / "mamba")
    assert result.code == 1
    assert last_error(result) == (
        "error: state-dict cannot take mamba: MambaForCausalLM is no model of transformers' own; "
        "state-dict takes models of transformers' own types"
    )


def test_an_adapter_has_to_be_merged_first(tiny, trained, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    adapter = tmp_path / "adapter"
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(trained), LoraConfig(target_modules=["q_proj"]))
    model.save_pretrained(adapter)
    result = run("export", "state-dict", "--checkpoint", adapter)
    assert result.code == 2
    assert result.error_line == (
        f"error: {adapter} rests on a base; "
        f"merge it with `reason merge --checkpoint {adapter}`, and export {adapter}-merged"
    )


def test_no_format_shows_the_formats(tiny):
    assert "state-dict" in run("export").ok().out
    assert "a folder of weights, for tests" in run("export", "--list").ok().out
    assert "--off-by" in run("export", "state-dict", "--help").ok().out


def test_what_was_exported_is_graded_in_what_it_runs_in(tiny, trained, tmp_path):
    export(trained, tmp_path / "out").ok()
    asked = (
        "--limit",
        6,
        "--max-new-tokens",
        8,
        "--batch-size",
        4,
        "--extractor",
        "last-word",
        "--no-report",
        "--json",
    )
    (theirs,) = run("eval", "additions", "--checkpoint", tmp_path / "out", "--output", tmp_path / "a", *asked).json()
    (ours,) = run("eval", "additions", "--checkpoint", trained, "--output", tmp_path / "b", *asked).json()
    assert theirs["settings"]["backend"] == "state-dict" and ours["settings"]["backend"] == "torch"
    said = [
        [json.loads(line)["output"] for line in next((tmp_path / name).glob("*/samples.jsonl")).open()] for name in "ab"
    ]
    assert said[0] == said[1] and len(said[0]) == 6


def test_a_backend_that_cannot_be_is_refused(tiny, trained, tmp_path):
    export(trained, tmp_path / "out").ok()
    line = run("eval", "additions", "--checkpoint", tmp_path / "out", "--backend", "torch").error_line
    assert line == f"error: {tmp_path}/out runs in state-dict, not in torch; use --backend state-dict or auto"
    line = run("eval", "additions", "--checkpoint", trained, "--backend", "state-dict").error_line
    assert line == (
        f"error: {trained} is no model that was exported for state-dict; "
        f"`reason export state-dict --checkpoint {trained}` makes one"
    )
    line = run("eval", "additions", "--checkpoint", trained, "--backend", "state-dit").error_line
    assert line.startswith("error: unknown backend 'state-dit'; did you mean 'state-dict'?")
