"""Normalised questions, and test questions found in training items."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reason_cli.engine.contamination import (
    ANY_WORD,
    ASCII_WORD,
    QUESTION,
    SHARED_GRAM,
    Match,
    TestQuestions,
    question_key,
    words,
)

LONG = "Janet’s ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins with four."
OTHER = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?"
SHORT = "What is 2 + 2?"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How many eggs?", "how MANY   eggs"),
        ("It costs $1,200.", "it costs 1200"),
        ("12,345,678 ants", "12345678 ants"),
        ("Janet’s ducks", "Janet's ducks"),
        ("ﬁve cafés", "FIVE CAFE\u0301S"),
        ("the end.Then 5 more", "The end. Then 5 more"),
        ("two-thirds, and/or **all**", "two thirds and or all"),
        ("covid-19", "COVID 19"),
        ("x − 5, 7-2", "x-5, 7 - 2"),
        ("5km at 3.5 %", "5 km at 3.5%"),
        ("eggs.5 are left", "eggs. 5 are left"),
        ("straße", "STRASSE"),
    ],
)
def test_how_it_is_written_makes_no_difference(one, other):
    assert words(one) == words(other)
    assert question_key(one) == question_key(other)


def test_numbers_and_signs_that_differ_stay_different():
    texts = ["1.5", "15", "1 5", "1,5", ".15", "1.50", "-15", "15%", "1-5", "1/5", "1*5", "1+5", "1×5", "1^5", "1=5"]
    texts += ["1,500", "1,50", "x5", "x 5.5", "½", "", "?", "!"]
    keys = {text: question_key(text) for text in texts}
    assert keys["1 5"] == keys["1,5"], "a list of two"
    assert len(set(keys.values())) == len(texts) - 1


def test_an_ascii_text_has_the_same_words_by_the_faster_pattern():
    text = "".join(map(chr, range(32, 127)))
    text += " it's -5.25, .5 a-5 up-5 5-5 5 - 5 3*4 * 5 and/or 1/2 v1.2.3 x_y 5km $-.5 -$3 a.5 "
    text = (text + text[::-1]).casefold()
    assert ASCII_WORD.findall(text) == ANY_WORD.findall(text)
    assert len(words(text)) > 50


def test_the_key_is_the_same_in_every_process():
    code = f"from reason_cli.engine.contamination import question_key; print(question_key({LONG!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == question_key(LONG)
    assert question_key("How many eggs?") == 1002664309920711804 < 2**64


def test_a_lone_surrogate_breaks_nothing():
    assert question_key("\ud800 eggs") == question_key("\ud800 eggs")


@pytest.fixture
def known():
    questions = TestQuestions()
    questions.add("ducks", [LONG, SHORT])
    questions.add("robes", [OTHER])
    return questions


def test_a_question_is_found_however_it_is_written(known):
    assert known.matches(LONG.upper(), "16 - 3 = 13", "13") == [Match("ducks", QUESTION, LONG)]
    assert known.matches("what is 2+2") == [Match("ducks", QUESTION, SHORT)]
    assert known.matches("what is 2*2") == known.matches("") == known.matches("?") == []


@pytest.mark.parametrize("skipped", range(6))
@pytest.mark.parametrize("before", range(9))
def test_thirteen_words_in_a_row_are_found_wherever_they_stand(known, before, skipped):
    thirteen = words(LONG)[skipped : skipped + 13]
    text = " ".join(["word"] * before + thirteen + ["more"] * (before // 2))
    assert known.matches("Why?", text) == [Match("ducks", SHARED_GRAM, LONG)]
    assert known.matches(text) == [Match("ducks", SHARED_GRAM, LONG)]


@pytest.mark.parametrize("before", range(9))
def test_twelve_words_in_a_row_are_not(known, before):
    said = words(LONG)
    text = " ".join(["word"] * before + said[:12] + ["and"] + said[12:])
    assert len(said) < 25 and known.matches("Why?", text) == []


def test_a_question_within_a_document_is_found(known):
    assert known.matches(f"Page 1.\n{OTHER}\nPage 2.") == [Match("robes", SHARED_GRAM, OTHER)]


def test_each_benchmark_is_told_once(known):
    known.add("copies", [OTHER, LONG])
    assert known.matches(LONG, OTHER) == [
        Match("ducks", QUESTION, LONG),
        Match("robes", SHARED_GRAM, OTHER),
        Match("copies", QUESTION, LONG),
    ]


def test_a_benchmark_may_be_added_to_and_the_first_question_stands(known):
    known.add("ducks", [LONG.upper(), OTHER])
    assert known.matches(LONG) == [Match("ducks", QUESTION, LONG)]
    assert [match.label for match in known.matches(OTHER)] == ["ducks", "robes"]
