"""What a dataset's name stands for, and where its rows are."""

from __future__ import annotations

import pytest
from support import write_rows

from reason_cli.api import DatasetFormatter, Example, Hub, Part
from reason_cli.engine.sources import Request, Spec, make_source, place_of
from reason_cli.errors import ReasonError


class Plain(DatasetFormatter):
    name = "plain"
    help = "rows of q and a"
    hub = Hub("nobody/nothing", splits={"train": "train", "test": "validation"})
    parts = {"dev": Part("train", 0.8, 1.0)}

    def format(self, row, options):
        return Example(str(row["q"]), "", "0")


def source_of(text, *, default="train", folder=None, **request):
    spec = Spec.parse(text)
    return make_source(Request(spec, Plain(), None, **request), default, folder)


# --- specifications --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("gsm8k", Spec("gsm8k", "", 0)),
        ("gsm8k:test", Spec("gsm8k", "test", 0)),
        ("gsm8k@50", Spec("gsm8k", "", 50)),
        ("gsm8k:test@50", Spec("gsm8k", "test", 50)),
        ("reasoning-gym/chain_sum:test@50", Spec("reasoning-gym/chain_sum", "test", 50)),
        ("owner/name/config@7", Spec("owner/name/config", "", 7)),
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


# --- splits ----------------------------------------------------------------------------------------------------


def test_an_unknown_split_suggests():
    with pytest.raises(ReasonError, match="no split 'tests'; did you mean 'test'") as error:
        source_of("plain:tests")
    assert error.value.usage and "dev" in str(error.value)


def test_the_default_split_is_the_callers_or_the_first():
    assert source_of("plain").label == "plain:train"
    assert source_of("plain", default="test").split == "test"
    assert source_of("plain", default="").split == "train"


def test_a_part_is_a_split_too():
    source = source_of("plain:dev")
    assert source.split == "dev" and source.part == Part("train", 0.8, 1.0)
    assert source_of("plain").part is None


def test_a_file_has_no_split(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [{}])
    with pytest.raises(ReasonError, match="is a file and has no split"):
        source_of(f"{path}:test", place=path)


def test_a_hub_id_has_any_split():
    assert source_of("owner/name:odd", place=Hub("owner/name", splits={})).split == "odd"


# --- places ----------------------------------------------------------------------------------------------------


def test_what_a_name_stands_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    assert place_of("texts") == place_of("./texts") != place_of("other")
    assert str(place_of("rows.csv")) == "rows.csv" and str(place_of("no/such.jsonl.gz")) == "no/such.jsonl.gz"
    assert place_of("owner/name") == Hub("owner/name", splits={})
    assert place_of("owner/name/config") == Hub("owner/name", "config", splits={})
    assert place_of("x" * 5_000) is None and place_of("gsm9k") is None and place_of("a/b/c/d") is None


def test_a_missing_file_is_an_error_unless_there_is_a_fallback(tmp_path):
    missing = tmp_path / "none.jsonl"
    with pytest.raises(ReasonError, match=r"no file '.*none\.jsonl'; check the path") as error:
        source_of(str(missing), place=missing)
    assert error.value.usage
    other = source_of("plain")
    assert source_of(str(missing), place=missing, fallback=other).fallback == other


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz"])
def test_the_local_folder_comes_before_the_hub(tmp_path, ending):
    path = write_rows(tmp_path / "plain" / f"train{ending}", [])
    assert source_of("plain", folder=tmp_path).place == path
    assert source_of("plain:dev", folder=tmp_path).place == path, "a part is in its split's file"
    assert source_of("plain:test", folder=tmp_path).place == Plain.hub


def test_what_is_too_large_to_hold(tmp_path, monkeypatch):
    from reason_cli.engine import sources

    path = write_rows(tmp_path / "a.jsonl", [{"q": "x" * 100}])
    assert not source_of(str(path), place=path).large
    monkeypatch.setattr(sources, "LARGE", 50)
    assert source_of(str(path), place=path).large
    assert source_of("o/n", place=Hub("o/n", streaming=True)).large and not source_of("plain").large
