"""Which test questions rows are searched for, and what becomes of the rows that hold one."""

from __future__ import annotations

import pytest
from support import Said, write_rows

from reason_cli.api import Chat, DatasetFormatter, Example, Hub, Text, Turn
from reason_cli.engine import hub
from reason_cli.engine.cleaning import benchmarks, clean, without_duplicates
from reason_cli.engine.held_out import keyed
from reason_cli.engine.reading import Loaded
from reason_cli.engine.sources import Source, Spec
from reason_cli.errors import ReasonError

LONG = "A train leaves the station at nine and reaches the next town forty miles away at ten sharp"


class Asked(DatasetFormatter):
    name = "asked"
    help = "rows of q"
    hub = Hub("nobody/nothing")

    def format(self, row, options):
        return Example(row["q"], "", "1")


def source_of(place, name="bench"):
    return Source(Spec(name, "", 0), Asked(), None, "test", place)


@pytest.fixture
def known(tmp_path):
    path = write_rows(tmp_path / "test.jsonl", [{"q": "What is 2 + 2?"}, {"q": f"{LONG}. How fast is it?"}])
    return benchmarks([source_of(path)], online=False)


def loaded(*items):
    return Loaded(source_of(None, "mine"), list(items))


ITEMS = {
    "the question": (Example("what is 2+2", "", "4"), "question"),
    "thirteen of its words": (Example(f"Listen: {LONG}!", "", "4"), "13-gram"),
    "in the reasoning": (Example("Why?", f"As {LONG}", "4"), "13-gram"),
    "in a text": (Text(f"Once upon a time {LONG.lower()} and so on"), "13-gram"),
    "in what a user says": (Chat((Turn("user", "What is 2 + 2?"), Turn("assistant", "4"))), "question"),
    "in a reply": (Chat((Turn("user", "Say it"), Turn("assistant", LONG))), "13-gram"),
    "nothing of it": (Example("What is 2 + 3?", "A train leaves the station at nine", "5"), None),
}


@pytest.mark.parametrize("case", ITEMS)
def test_where_a_test_question_is_found(known, case):
    item, kind = ITEMS[case]
    assert [(match.label, match.kind) for match in known.search(item)] == ([("bench:test", kind)] if kind else [])


def test_rows_with_test_questions_are_dropped_or_kept_and_always_counted(known):
    items = [item for item, _ in ITEMS.values()]
    for drop in (True, False):
        part, said = loaded(*items), Said()
        cleaned = clean(part, known, drop=drop, report=said)
        assert len(cleaned.items) == (1 if drop else len(items))
        assert cleaned.counts() == part.cleaned["contaminated"] == {"bench:test": {"question": 2, "13-gram": 4}}
        assert part.cleaned["dropped"] == (6 if drop else 0) and part.cleaned["searched_for"] == ["bench:test"]
        assert "6 of 7 rows hold a question of bench:test (2 word for word, 4 by 13 words)" in said.warnings[0]
        assert ("left out" if drop else "as you asked") in said.warnings[1]


def test_clean_rows_are_not_spoken_of(known):
    said = Said()
    assert clean(loaded(ITEMS["nothing of it"][0]), known, drop=True, report=said).items
    assert not said.warnings and not said.lines


def test_no_row_left_is_an_error(known):
    with pytest.raises(ReasonError, match="every row of 'mine:test' holds a benchmark's test question"):
        clean(loaded(ITEMS["the question"][0]), known, drop=True, report=Said())


def test_the_network_is_asked_only_where_it_is_needed(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(hub, "cached", lambda place, split: place.id == "at/hand")
    monkeypatch.setattr(hub, "rows", lambda place, split, skip=0: asked.append(place.id) or iter([("x:1", {"q": "q"})]))
    sources = [source_of(Hub("at/hand"), "a"), source_of(Hub("far/away"), "b"), source_of(tmp_path / "no.jsonl", "c")]
    found = benchmarks(sources, online=False)
    assert (found.known, found.missing, set(asked)) == (("a:test",), ("b:test", "c:test"), {"at/hand"})
    assert benchmarks(sources, online=True).known == ("a:test", "b:test")


def test_duplicates_are_told_across_sources_and_the_first_is_kept():
    groups = [
        [Example("One?", "", "1"), Example("two", "", "2")],
        [Example("one", "", "1"), Text("Two"), Text("three")],
    ]
    kept, lost = without_duplicates([keyed(group) for group in groups], near=False)
    assert [len(group) for group in kept] == [2, 1] and lost == [0, 2]
    assert kept[1] == keyed([Text("three")])


def test_near_duplicates_are_dropped_on_request():
    groups = [[Text(LONG + " " + LONG)], [Text(LONG + " " + LONG.replace("sharp", "prompt")), Text("other")]]
    assert without_duplicates([keyed(group) for group in groups], near=False)[1] == [0, 0]
    assert without_duplicates([keyed(group) for group in groups], near=True)[1] == [0, 1]
