"""Rows from files, folders, generators and the hub; what is wrong with one is said with its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from support import Said, run, write_rows

from reason_cli.api import BadRow, DatasetFormatter, Example, Hub, Text
from reason_cli.engine.sources import Source, Spec, load, make_source
from reason_cli.errors import ReasonError


class Plain(DatasetFormatter):
    name = "plain"
    help = "rows of q and a"
    hub = Hub("nobody/nothing", splits={"train": "train", "test": "validation"})
    suffixes = ()

    def format(self, row: Mapping[str, Any], options: Any) -> Example | Text | None:
        if row.get("skip"):
            return None
        if "q" not in row:
            raise BadRow("no column 'q'")
        return Example(str(row["q"]), "", str(row.get("a", "0")))


class InFiles(Plain):
    name = "in-files"
    hub = None
    suffixes = (".jsonl",)


class Made(Plain):
    name = "made"
    hub = None

    def generate(self, split, seed, options):
        return ({"q": f"{split} {seed} {n}"} for n in count())


def good(number):
    return [{"q": f"question {n}", "a": str(n)} for n in range(number)]


def read(path, *, take=0, refuse=False, said=None):
    source = make_source(Spec.parse(str(path)), InFiles(), None, "train", None)
    return load(source, take=take, seed=0, refuse_bad=refuse, report=said or Said())


# --- specifications --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("gsm8k", Spec("gsm8k", "", 0)),
        ("gsm8k:test", Spec("gsm8k", "test", 0)),
        ("gsm8k@50", Spec("gsm8k", "", 50)),
        ("gsm8k:test@50", Spec("gsm8k", "test", 50)),
        ("a/b.jsonl", Spec("a/b.jsonl", "", 0)),
        ("a/b c.jsonl@5", Spec("a/b c.jsonl", "", 5)),
        ("me@home/b@2.jsonl@5", Spec("me@home/b@2.jsonl", "", 5)),
    ],
)
def test_specs(text, spec):
    assert Spec.parse(text) == spec


@pytest.mark.parametrize("text", ["", "@5", "gsm8k@", "gsm8k@many", "gsm8k@-1", "gsm8k@0"])
def test_bad_specs(text):
    with pytest.raises(ReasonError, match=r"NAME\[:SPLIT\]\[@N\]"):
        Spec.parse(text)


def test_an_unknown_split_suggests():
    with pytest.raises(ReasonError, match="no split 'tests'; did you mean 'test'"):
        make_source(Spec.parse("plain:tests"), Plain(), None, "train", None)


def test_a_file_has_no_split(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", good(1))
    with pytest.raises(ReasonError, match="is a file and has no split"):
        make_source(Spec(str(path), "test", 0), InFiles(), None, "train", None)


# --- files -----------------------------------------------------------------------------------------------------


def test_a_file_is_read_whole_and_blank_lines_are_no_rows(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [good(1)[0], "", "   ", *good(3)[1:]])
    loaded = read(path)
    assert [item.answer for item in loaded.items] == ["0", "1", "2"]
    assert loaded.bad == [] and loaded.left_out == 0


def test_take_ends_early(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [*good(3), "not json"])
    assert len(read(path, take=2).items) == 2


def test_asking_for_more_than_there_is_warns(tmp_path):
    said = Said()
    read(write_rows(tmp_path / "a.jsonl", good(3)), take=5, said=said)
    assert "5 rows were asked for, it has 3" in said.warnings[0]


def test_rows_left_out_on_purpose_are_counted_and_not_bad(tmp_path):
    loaded = read(write_rows(tmp_path / "a.jsonl", [*good(2), {"skip": True}, {"skip": True}]))
    assert (len(loaded.items), loaded.left_out, loaded.bad) == (2, 2, [])


BAD_LINES = [
    ('{"q": "x"', "not JSON"),
    ("{'q': 'x'}", "not JSON"),
    ("[1, 2]", "a JSON object is needed, this is list"),
    ("3", "a JSON object is needed, this is int"),
    ('{"other": 1}', "no column 'q'"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=[line for line, _ in BAD_LINES])
def test_a_bad_row_is_named_by_file_and_line_and_skipped(tmp_path, line, reason):
    rows = good(30)
    path = write_rows(tmp_path / "a.jsonl", [*rows[:10], "", line, *rows[10:]])
    said = Said()
    loaded = read(path, said=said)
    assert len(loaded.items) == 30
    assert len(loaded.bad) == 1 and loaded.bad[0].startswith(f"{path}:12: ") and reason in loaded.bad[0]
    assert f"skipped 1 of 31 rows, the first at {path}:12" in said.warnings[0]
    with pytest.raises(ReasonError, match=r"bad row at .*:12: "):
        read(path, refuse=True)


def test_bytes_that_are_no_utf8_are_a_bad_row(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", good(30))
    path.write_bytes(path.read_bytes() + b'{"q": "\xff\xfe"}\n')
    loaded = read(path)
    assert len(loaded.items) == 30 and loaded.bad == [f"{path}:31: not UTF-8"]


def test_more_than_five_percent_bad_rows_stop(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [*good(95), *["broken"] * 5])
    assert len(read(path).items) == 95, "five in a hundred are borne"
    path = write_rows(tmp_path / "b.jsonl", [*good(94), *["broken"] * 6])
    with pytest.raises(ReasonError, match=r"6 of 100 rows .* cannot be read, the first at .*b\.jsonl:95: not JSON"):
        read(path)


@pytest.mark.parametrize("rows", [[], ["", ""]])
def test_an_empty_file_is_an_error(tmp_path, rows):
    with pytest.raises(ReasonError, match="has no rows"):
        read(write_rows(tmp_path / "a.jsonl", rows))


def test_all_rows_left_out_is_an_error(tmp_path):
    with pytest.raises(ReasonError, match="has no rows"):
        read(write_rows(tmp_path / "a.jsonl", [{"skip": True}]))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ReasonError, match=r"no file '.*none\.jsonl'; check the path") as error:
        read(tmp_path / "none.jsonl")
    assert error.value.usage


def test_json_that_python_cannot_hold_is_a_bad_row(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [*good(60), "[" * 100_000, '{"q": ' + "9" * 10_000 + "}"])
    loaded = read(path)
    assert len(loaded.items) == 60 and len(loaded.bad) == 2


def test_the_fingerprint_is_of_what_was_read(tmp_path):
    first = read(write_rows(tmp_path / "a.jsonl", good(5)))
    again = read(write_rows(tmp_path / "b.jsonl", good(5)))
    other = read(write_rows(tmp_path / "c.jsonl", good(6)))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.summary()["rows"] == 5 and first.summary()["sha256"] == first.fingerprint


# --- generators, REASON_DATA, the hub ----------------------------------------------------------------------------


def test_made_rows_follow_the_seed():
    source = make_source(Spec.parse("made"), Made(), None, "train", None)
    questions = [
        [item.question for item in load(source, take=3, seed=seed, refuse_bad=False, report=Said()).items]
        for seed in (1, 1, 2)
    ]
    assert questions[0] == questions[1] == ["train 1 0", "train 1 1", "train 1 2"] != questions[2]


def test_the_local_folder_comes_before_the_hub(tmp_path):
    write_rows(tmp_path / "data" / "plain" / "test.jsonl", good(4))
    source = make_source(Spec.parse("plain"), Plain(), None, "test", tmp_path / "data")
    assert len(load(source, take=0, seed=0, refuse_bad=False, report=Said()).items) == 4


def test_offline_and_not_cached_names_both_remedies(tmp_path):
    source = Source(Spec.parse("plain"), Plain(), None, "train", tmp_path)
    with pytest.raises(ReasonError) as error:
        load(source, take=0, seed=0, refuse_bad=False, report=Said())
    said = str(error.value)
    assert "'plain' cannot be had from the hub (nobody/nothing)" in said
    assert "plain/train.jsonl" in said and "REASON_DATA" in said and "online" in said
    assert "\n" not in said


def test_an_unreachable_hub_gives_up_soon_with_one_line(tmp_path):
    """No offline switch but a network where nothing answers; a process of its own, for the switch is read once."""
    import time

    from support import spawn

    begun = time.monotonic()
    nowhere = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub")}
    result = spawn("train", "--arch", "small", "--tokenizer", "bytes", "--dataset", "gsm8k", timeout=100, **nowhere)
    assert result.code == 1
    assert "gsm8k/train.jsonl" in result.error_line and "REASON_DATA" in result.error_line
    assert time.monotonic() - begun < 60


def test_reason_data_is_read_by_the_command(tiny, tmp_path, monkeypatch):
    write_rows(tmp_path / "data" / "gsm8k" / "train.jsonl", [json.dumps({"question": "no answer"})])
    monkeypatch.setenv("REASON_DATA", str(tmp_path / "data"))
    result = run("train", "--arch", "tiny-llama", "--dataset", "gsm8k")
    assert result.code == 1 and f"{tmp_path / 'data' / 'gsm8k' / 'train.jsonl'}:1: " in result.error_line
