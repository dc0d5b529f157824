"""The folder of an evaluation: found again when it is the same, and never trusted further than it is whole."""

from __future__ import annotations

import json

import pytest

from reason_cli.engine.grading import Said
from reason_cli.engine.journal import Journal, find_place, forget
from reason_cli.errors import ReasonError


def said(n: int, k: int = 0, text: str = "so 4\n") -> Said:
    return Said(n, k, text, 3, True)


def begin(root, identity="a", *answers, seconds=1.5):
    place = find_place(root, "sums-test", identity, resume=True)
    journal = Journal(place)
    for one in answers:
        journal.write(one, seconds)
    journal.close()
    return place


def again(root, identity="a", resume=True):
    return find_place(root, "sums-test", identity, resume=resume)


def test_an_unfinished_evaluation_is_gone_on_with(tmp_path):
    first = begin(tmp_path, "a", said(0), said(1, 2, "naïve 😀 \u2028 \r\n line"))
    place = again(tmp_path)
    assert place.folder == first.folder and place.seconds == 1.5
    assert place.said == {(0, 0): said(0), (1, 2): said(1, 2, "naïve 😀 \u2028 \r\n line")}


def test_another_identity_or_no_resume_begins_anew(tmp_path):
    first = begin(tmp_path, "a", said(0))
    assert again(tmp_path, "b").folder != first.folder
    assert again(tmp_path, "a").folder == first.folder
    anew = again(tmp_path, "a", resume=False).folder
    assert anew != first.folder and again(tmp_path, "a").folder == anew, "of two that are the same, the newest"


def test_half_a_line_is_dropped_and_the_next_one_begins_on_its_own(tmp_path):
    first = begin(tmp_path, "a", said(0), said(1))
    path = first.folder / "answers.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": 2, "sample": 0, "te')
    place = again(tmp_path)
    assert set(place.said) == {(0, 0), (1, 0)}
    journal = Journal(place)
    journal.write(said(3), 0.5)
    journal.close()
    assert set(again(tmp_path).said) == {(0, 0), (1, 0), (3, 0)}
    assert again(tmp_path).seconds == 2.0, "seconds of earlier starts are counted on"


def test_a_finished_evaluation_gives_its_answers(tmp_path):
    place = begin(tmp_path, "a", said(0))
    (place.folder / "samples.jsonl").write_text(
        json.dumps({"id": 0, "sample": 0, "output": "so 4\n", "tokens": 3, "finished": True, "correct": True}) + "\n"
    )
    (place.folder / "results.json").write_text(json.dumps({"identity": "a", "timing": {"seconds": 7.0}}))
    forget(place)
    assert sorted(path.name for path in place.folder.iterdir()) == ["results.json", "samples.jsonl"]
    found = again(tmp_path)
    assert (found.folder, found.said, found.seconds) == (place.folder, {(0, 0): said(0)}, 7.0)


def test_two_processes_do_not_write_into_one_folder(tmp_path):
    place = begin(tmp_path)
    held = Journal(place)
    with pytest.raises(ReasonError, match="another process is evaluating into"):
        Journal(place)
    held.close()
    Journal(place).close()


@pytest.mark.parametrize("rubbish", ["", "{", "[1]", '{"id": 1}', "\x00\n\x00"])
def test_rubbish_in_a_folder_is_no_answer(tmp_path, rubbish):
    place = begin(tmp_path, "a", said(0))
    (place.folder / "answers.jsonl").write_text(rubbish + "\n")
    assert again(tmp_path).said == {}
    (place.folder / "results.json").write_text(rubbish)
    assert again(tmp_path).folder == place.folder, "the mark still stands"


def test_names_with_signs_of_patterns_are_found(tmp_path):
    first = find_place(tmp_path, "mine[1]", "a", resume=True)
    assert find_place(tmp_path, "mine[1]", "a", resume=True).folder == first.folder
