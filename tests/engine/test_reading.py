"""Rows to items; what is wrong with one is said with its place; what cannot be had gives way, aloud."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from support import Said, run, write_rows

from reason_cli.api import BadRow, Chat, DatasetFormatter, Example, Hub, Part, Text, Turn, option
from reason_cli.engine import hub
from reason_cli.engine.hub import Unreachable
from reason_cli.engine.reading import Tally, load, read, settle
from reason_cli.engine.sources import Source, Spec
from reason_cli.errors import ReasonError


class Plain(DatasetFormatter):
    name = "plain"
    help = "rows of q and a"
    hub = Hub("nobody/nothing", splits={"train": "train", "test": "validation"})
    parts = {"fit": Part("train", 0.0, 0.8), "dev": Part("train", 0.8, 1.0)}

    def format(self, row: Mapping[str, Any], options: Any) -> Example | Text | None:
        if row.get("skip"):
            return None
        if "q" not in row:
            raise BadRow("no column 'q'")
        return Example(str(row["q"]), "", str(row.get("a", "0")))

    def counts(self, row, options):
        return {"fives": int("5" in row["q"])}


class Made(Plain):
    name = "made"
    hub = None

    def generate(self, split, seed, options):
        return ({"q": f"{split} {seed} {n}"} for n in count())


def good(number):
    return [{"q": f"question {n}", "a": str(n)} for n in range(number)]


def source_of(place, formatter=None, split="", **more):
    return Source(Spec(str(place), "", 0), formatter or Plain(), None, split, place, **more)


def read_all(path, *, take=0, refuse=False, said=None, **more):
    return load(source_of(path, **more), take=take, seed=0, refuse_bad=refuse, report=said or Said())


# --- files -----------------------------------------------------------------------------------------------------


def test_a_file_is_read_whole_and_blank_lines_are_no_rows(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [good(1)[0], "", "   ", *good(3)[1:]])
    loaded = read_all(path)
    assert [item.answer for item in loaded.items] == ["0", "1", "2"]
    assert loaded.tally.bad == [] and loaded.tally.left_out == 0


def test_take_ends_early(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [*good(3), "not json"])
    assert len(read_all(path, take=2).items) == 2


def test_asking_for_more_than_there_is_warns(tmp_path):
    said = Said()
    read_all(write_rows(tmp_path / "a.jsonl", good(3)), take=5, said=said)
    assert "5 rows were asked for, it has 3" in said.warnings[0]


def test_rows_left_out_on_purpose_are_counted_and_not_bad(tmp_path):
    loaded = read_all(write_rows(tmp_path / "a.jsonl", [*good(2), {"skip": True}, {"skip": True}]))
    assert (len(loaded.items), loaded.tally.left_out, loaded.tally.bad) == (2, 2, [])


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
    loaded = read_all(path, said=said)
    assert len(loaded.items) == 30
    assert len(loaded.tally.bad) == 1
    assert loaded.tally.bad[0].startswith(f"{path}:12: ") and reason in loaded.tally.bad[0]
    assert f"skipped 1 of 31 rows, the first at {path}:12" in said.warnings[0]
    with pytest.raises(ReasonError, match=r"bad row at .*:12: "):
        read_all(path, refuse=True)


def test_more_than_five_percent_bad_rows_stop(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [*good(95), *["broken"] * 5])
    assert len(read_all(path).items) == 95, "five in a hundred are borne"
    path = write_rows(tmp_path / "b.jsonl", [*good(94), *["broken"] * 6])
    with pytest.raises(ReasonError, match=r"6 of 100 rows .* cannot be read, the first at .*b\.jsonl:95: not JSON"):
        read_all(path)


@pytest.mark.parametrize("rows", [[], ["", ""], [{"skip": True}]])
def test_a_file_that_gives_nothing_is_an_error(tmp_path, rows):
    with pytest.raises(ReasonError, match="has no rows"):
        read_all(write_rows(tmp_path / "a.jsonl", rows))


def test_the_fingerprint_is_of_what_was_read(tmp_path):
    first = read_all(write_rows(tmp_path / "a.jsonl", good(5)))
    again = read_all(write_rows(tmp_path / "b.jsonl", good(5)))
    other = read_all(write_rows(tmp_path / "c.jsonl", good(6)))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.summary()["rows"] == 5 and first.summary()["sha256"] == first.fingerprint


def test_reading_goes_on_at_any_row(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [good(1)[0], {"skip": True}, "broken", "", *good(6)[1:]])
    whole = list(read(source_of(path), 0, Tally(), refuse_bad=False))
    for number, _ in whole:
        rest = list(read(source_of(path), 0, Tally(), refuse_bad=False, skip=number))
        assert rest == [pair for pair in whole if pair[0] > number]


def test_the_formatters_own_counts_are_added_up(tmp_path):
    from collections import Counter

    tally = Tally(counts=Counter())
    list(read(source_of(write_rows(tmp_path / "a.jsonl", good(60))), 0, tally, refuse_bad=False))
    assert tally.counts == {"fives": 15}


def test_parts_of_a_split_share_nothing_and_lose_nothing(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", good(500) + good(500))
    fit, dev = (
        [item.question for item in read_all(path, formatter=Plain(), split=split).items] for split in ("fit", "dev")
    )
    assert not set(fit) & set(dev) and len(fit) + len(dev) == 1000
    assert 0.75 < len(fit) / 1000 < 0.85
    assert len(fit) % 2 == 0, "a question that stands twice is twice on one side"


# --- schemas ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Columns:
    question: str = option("", "column")


class Guess(Plain):
    """Takes the first column of the first row for the question."""

    Options = Columns

    def fit(self, rows, options):
        if not rows:
            raise ReasonError("no row to tell the schema from")
        return replace(options, question=options.question or next(iter(rows[0])))

    def describe(self, options):
        return f"question <- {options.question}"

    def format(self, row, options):
        return Example(row[options.question], "", "0")


def test_a_schema_is_told_from_the_first_rows_and_said(tmp_path):
    said = Said()
    path = write_rows(tmp_path / "a.jsonl", ["broken", *[{"ask": f"what {n}"} for n in range(99)]])
    source = replace(source_of(path, Guess()), options=Columns())
    loaded = load(source, take=0, seed=0, refuse_bad=False, report=said)
    assert loaded.items[0].question == "what 0" and said.lines == [f"{path}: question <- ask"]
    assert loaded.source.options.question == "ask"


def test_a_schema_that_is_given_is_kept(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [{"x": "no", "ask": "yes"}])
    source = replace(source_of(path, Guess()), options=Columns("ask"))
    assert load(source, take=0, seed=0, refuse_bad=False, report=Said()).items[0].question == "yes"


# --- generators, the hub, what takes its place -------------------------------------------------------------------


def test_made_rows_follow_the_seed():
    source = source_of(None, Made(), "train")
    questions = [
        [item.question for item in load(source, take=3, seed=seed, refuse_bad=False, report=Said()).items]
        for seed in (1, 1, 2)
    ]
    assert questions[0] == questions[1] == ["train 1 0", "train 1 1", "train 1 2"] != questions[2]


def test_offline_and_not_cached_names_both_remedies():
    source = Source(Spec.parse("plain"), Plain(), None, "train", Plain.hub)
    with pytest.raises(Unreachable) as error:
        load(source, take=0, seed=0, refuse_bad=False, report=Said())
    said = str(error.value)
    assert "'nobody/nothing' cannot be had from the hub" in said
    assert "plain/train.jsonl" in said and "REASON_DATA" in said and "online" in said
    assert "\n" not in said


@pytest.fixture
def shelf(monkeypatch):
    """A hub with what a test puts on it: id -> rows. Remembers what was asked for."""
    shelf: dict[str, list] = {}

    def rows(place, split, skip=0):
        if place.id not in shelf:
            raise Unreachable(f"dataset '{place.id}' cannot be had from the hub: not there", "go online")
        return ((f"{place.id}:{n}", row) for n, row in list(enumerate(shelf[place.id], 1))[skip:])

    monkeypatch.setattr(hub, "rows", rows)
    return shelf


def test_a_mirror_is_taken_aloud(shelf):
    place = Hub("gone/away", mirrors=(Hub("also/gone"), Hub("still/there")))
    shelf["still/there"] = good(3)
    said = Said()
    loaded = load(source_of(place, split="train"), take=0, seed=0, refuse_bad=False, report=said)
    assert len(loaded.items) == 3 and loaded.source.place.id == "still/there"
    assert said.warnings == [
        "dataset 'gone/away' cannot be had from the hub: not there; its mirror still/there is taken"
    ]


def test_a_fallback_is_taken_aloud_and_recorded(shelf, tmp_path):
    path = write_rows(tmp_path / "own.jsonl", good(4))
    source = source_of(Hub("gone/away"), split="train", fallback=source_of(path), weight=2.0)
    said = Said()
    loaded = load(source, take=0, seed=0, refuse_bad=False, report=said)
    assert len(loaded.items) == 4 and loaded.source.weight == 2.0
    assert loaded.summary()["instead_of"] == source.label and loaded.summary()["dataset"] == str(path)
    assert said.warnings == [
        f"dataset 'gone/away' cannot be had from the hub: not there; {path} is taken in the place of {source.label}"
    ]


def test_a_fallback_is_not_asked_when_the_source_is_there(shelf, tmp_path):
    shelf["is/there"] = good(2)
    source = source_of(Hub("is/there"), split="train", fallback=source_of(tmp_path / "none.jsonl"))
    assert settle(source, 0, Said())[1] == ""


def test_bad_rows_are_no_reason_for_a_fallback(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", ["broken"] * 9)
    with pytest.raises(ReasonError, match="9 of 9 rows"):
        read_all(path, fallback=source_of(write_rows(tmp_path / "b.jsonl", good(3))))


def test_rows_that_the_hubs_client_kept_are_read_offline(tmp_path):
    """The hub's own library, on a dataset in a folder: what it gives is what the reader gives, from any row on."""
    write_rows(tmp_path / "made" / "data" / "train.jsonl", good(5))
    place = Hub(str(tmp_path / "made"))
    assert [row["a"] for _, row in hub.rows(place, "train")] == list("01234")
    assert [where for where, _ in hub.rows(replace(place, streaming=True), "train", 3)] == [
        f"{place.id}:4",
        f"{place.id}:5",
    ]
    assert hub.cached(place, "train") and not hub.cached(Hub("nobody/nothing"), "train")


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


def test_asking_whether_rows_are_at_hand_changes_nothing_for_later(tmp_path):
    """Offline without the switch: the probe's answer is kept, so that nothing is retried after it."""
    import subprocess
    import sys

    code = (
        "from reason_cli.api import Hub\nfrom reason_cli.engine import hub\n"
        "print(hub.cached(Hub('nobody/nothing'), 'train'))\n"
        "from huggingface_hub import constants\nprint(constants.HF_HUB_OFFLINE)"
    )
    nowhere = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub")}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | nowhere, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"], done.stderr


def test_reason_data_is_read_by_the_command(tiny, tmp_path, monkeypatch):
    write_rows(tmp_path / "data" / "gsm8k" / "train.jsonl", [json.dumps({"question": "no answer"})])
    monkeypatch.setenv("REASON_DATA", str(tmp_path / "data"))
    result = run("train", "--arch", "tiny-llama", "--dataset", "gsm8k")
    assert result.code == 1 and f"{tmp_path / 'data' / 'gsm8k' / 'train.jsonl'}:1: " in result.error_line


# --- faults: one line, and nothing half-made ----------------------------------------------------------------------


def truncated(path):
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in good(20_000)).encode())[:-2000])


FAULTS = {
    "truncated gzip": ("rows.jsonl.gz", truncated, "the gzip file is truncated"),
    "a missing column": ("rows.csv", lambda p: p.write_text("question,reply\nq,a\n"), "no column 'answer'"),
    "invalid UTF-8": ("rows.jsonl", lambda p: p.write_bytes(b'{"question": "\xff", "answer": "1"}\n' * 3), "not UTF-8"),
    "a line of 100 MB": ("rows.jsonl", lambda p: p.write_bytes(b"x" * 100_000_000 + b"\n"), "longer than 16 MiB"),
    "a folder without readable files": ("folder", lambda p: p.mkdir(), "holds no readable file"),
    "a hub id that is not there": ("nobody/nothing-at-all", None, "cannot be had from the hub"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_line_and_leaves_no_half_cache(tiny, tmp_path, fault):
    name, make, said = FAULTS[fault]
    if make:
        make(tmp_path / name)
    columns = ("--text-column", "question,answer") if "folder" not in name else ()
    result = run("train", "--arch", "tiny-llama", "--dataset", tmp_path / name if make else name, *columns)
    assert result.code == 1 and said in result.error_line
    assert not list((tmp_path / "cache").rglob("*.npy")) and not list((tmp_path / "cache").rglob("partial-*"))


# --- formatters that fail ----------------------------------------------------------------------------------------


class Crashing(Plain):
    def format(self, row, options):
        return {
            "raises": lambda: row["oops"],
            "no item": lambda: 5,
            "unasked": lambda: Chat((Turn("assistant", "Hi"),)),
        }[row["q"]]()


@pytest.mark.parametrize(
    ("how", "said"), [("raises", "KeyError: 'oops'"), ("no item", "it gives int, which is no item")]
)
def test_a_formatter_that_fails_is_named_with_the_row(tmp_path, how, said):
    path = write_rows(tmp_path / "rows.jsonl", [{"q": how}])
    with pytest.raises(ReasonError) as caught:
        read_all(path, formatter=Crashing())
    assert str(caught.value) == f"dataset 'plain' fails on {path}:1: {said}; tell the plugin's author"


def test_rows_that_cannot_be_made_name_the_dataset():
    class Broken(Made):
        def generate(self, split, seed, options):
            yield {"q": "one"}
            raise OSError("gone")

    with pytest.raises(ReasonError, match=r"dataset 'made' fails on row 2: OSError: gone; tell the plugin's author"):
        load(source_of(None, Broken(), "train"), take=5, seed=0, refuse_bad=False, report=Said())


def test_a_conversation_that_answers_nobody_is_a_bad_row(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [{"q": "unasked"}])
    with pytest.raises(ReasonError, match="no turn of an assistant that answers one before it"):
        read_all(path, formatter=Crashing(), refuse=True)
