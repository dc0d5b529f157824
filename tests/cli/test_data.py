"""`reason data`, and training on what `[data]` can say: mixtures, fallbacks, streams, packing, clean rows."""

from __future__ import annotations

import json
import re

import pytest
from support import SUMS, read_lines, run, train_tiny, weights, write_rows

from reason_cli.toml import read_toml

QUESTIONS = [
    {"question": f"Tom has {n} red apples and buys {n + 3} green ones.", "answer": f"{2 * n + 3}"} for n in range(40)
]


@pytest.fixture
def rows(tmp_path):
    return write_rows(tmp_path / "rows.jsonl", QUESTIONS)


def same(one, other):
    return one.keys() == other.keys() and all(bool((one[name] == other[name]).all()) for name in one)


def record(folder):
    return read_toml(folder / "run.toml")


def profile(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return "--profile", path


# --- list, show, check -------------------------------------------------------------------------------------------


def test_list_names_every_dataset():
    listed = {one["name"]: one for one in json.loads(run("data", "list", "--json").ok().out)}
    assert listed["gsm8k"]["rows_from"] == "openai/gsm8k (main)" and listed["gsm8k"]["extractor"] == "number"
    assert listed["gsm8k"]["splits"] == ["train", "test", "fit", "dev"] and listed["gsm8k"]["benchmark"]
    assert listed["gsm8k"]["columns"] == ["question", "answer"]
    shown = run("data", "list").ok().out
    assert all(name in shown for name in listed)


def test_show_marks_what_is_learned(rows):
    shown = run("data", "show", rows, "-n", "2", "--tokenizer", "bytes", "--system-prompt", "Be brief.").ok().out
    assert shown.count("⟦**Final Answer:** 3<|im_end|>⟧") == 1 and shown.count("⟦") == 3, "a legend and two rows"
    assert "system\nBe brief.<|im_end|>" in shown and "1. example: " in shown


def test_show_takes_the_style_and_the_columns(tmp_path):
    path = write_rows(tmp_path / "odd.jsonl", [{"ask": "2 + 2?", "say": "4", "note": "x"}])
    shown = run("data", "show", path, "--text-column", "ask,say", "--style", "hash", "--tokenizer", "bytes").ok()
    assert "⟦#### 4<|im_end|>⟧" in shown.out
    shown = run("data", "show", path, "--text-column", "note", "--tokenizer", "bytes").ok()
    assert "⟦x<|im_end|>⟧" in shown.out and "text: 2 tokens, 2 learned" in shown.out


def test_columns_that_nothing_reads_are_refused(tiny):
    for command in (["data", "show", "additions"], ["train", "--arch", "tiny-llama", "--dataset", "additions"]):
        result = run(*command, "--text-column", "q,a")
        assert result.code == 2 and "text_column is for files and hub ids" in result.error_line


def test_show_without_the_tokenizer_makes_one_from_the_rows(rows):
    result = run("data", "show", rows, "-n", "1").ok()
    assert "openai-community/gpt2" in result.err and "bpe:8192, made from these rows" in result.err
    assert "Tom has 0 red apples" in result.out


def test_check_counts_what_is_wrong(tmp_path):
    again = [dict(QUESTIONS[5], question=QUESTIONS[5]["question"].upper())]
    odd = [{"question": "How long?", "answer": "a while"}]
    bad = ["{", {"question": "", "answer": "1"}, {"answer": "2"}]
    path = write_rows(tmp_path / "rows.jsonl", [*QUESTIONS * 3, *again, *odd, *bad])
    result = run("data", "check", path, "--json", "--tokenizer", "bytes", "--set", "model.max_seq_len=84").ok()
    (found,) = json.loads(result.out)["sources"]
    assert found["rows"] == 125 and found["examples"] == 122 and found["bad_rows"] == 3 and found["usable"]
    assert [f"{path}:123"] in found["bad"].values() and sum(found["bad_counts"].values()) == 3
    assert found["duplicates"] == 81
    assert found["answers"]["whole numbers"] == 121 and found["answers"]["no number"] == 1
    assert found["unreadable_answers"] == 1 and "a while" in found["unreadable"][0]
    assert found["over_max_seq_len"] > 0 and sum(found["histogram"].values()) == 122
    assert found["lengths"]["shortest"] <= found["lengths"]["median"] <= found["lengths"]["longest"]
    assert 0 < found["trained_tokens"] < found["tokens"]
    drawn = run("data", "check", path, "--tokenizer", "bytes").ok().out
    for said in ("bad rows    3", "duplicates  81 the same", "read back   1 answers cannot be", f"{path}:123"):
        assert said in drawn, said


def test_check_fails_where_training_would(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [*QUESTIONS[:5], *["{"] * 5])
    result = run("data", "check", path, "--tokenizer", "bytes")
    assert result.code == 1 and "cannot be trained on" in result.out


def test_check_writes_its_report(rows, tmp_path):
    run("data", "check", rows, "--tokenizer", "bytes", "--output", tmp_path / "report.json").ok()
    assert json.loads((tmp_path / "report.json").read_text())["sources"][0]["rows"] == 40
    result = run("data", "check", rows, "--tokenizer", "bytes", "--output", rows / "report.json")
    assert result.code == 1 and "cannot write" in result.err.splitlines()[-1] and "rows        40" in result.out


def test_check_tells_what_sources_share(rows, tmp_path):
    changed = [dict(row, answer="7") if n < 2 else row for n, row in enumerate(QUESTIONS[:10])]
    other = write_rows(tmp_path / "other.jsonl", changed)
    found = json.loads(run("data", "check", rows, other, "--json", "--tokenizer", "bytes").ok().out)
    assert found["overlaps"] == [{"first": str(rows), "second": str(other), "questions": 10, "same_answer": 8}]


# --- test questions in training rows -------------------------------------------------------------------------------


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """REASON_DATA with a GSM8K test split whose questions are the first eight of `rows`."""
    kept = [{"question": row["question"], "answer": f"so #### {row['answer']}"} for row in QUESTIONS[:8]]
    write_rows(tmp_path / "data" / "gsm8k" / "test.jsonl", kept)
    monkeypatch.setenv("REASON_DATA", str(tmp_path / "data"))


def test_test_questions_are_dropped_counted_and_listed(tiny, benchmark, rows, tmp_path):
    result = train_tiny(tmp_path / "run", data=("--dataset", rows), steps=2).ok()
    assert "8 of 40 rows hold a question of gsm8k:test (8 word for word)" in result.err
    assert "8 rows are left out" in result.err and "rows are searched for test questions of gsm8k:test" in result.err
    (data,) = record(tmp_path / "run")["run"]["data"]
    assert data["contaminated"] == {"gsm8k:test": {"question": 8}} and data["dropped"] == 8
    listed = read_lines(tmp_path / "run" / "contaminated.jsonl")
    assert [line["asked"] for line in listed] == [row["question"] for row in QUESTIONS[:8]]
    assert listed[0]["label"] == "gsm8k:test" and listed[0]["kind"] == "question"


def test_they_are_kept_on_request_and_the_evaluation_says_so(tiny, benchmark, rows, tmp_path):
    result = train_tiny(tmp_path / "run", "--no-decontaminate", data=("--dataset", rows), steps=2).ok()
    assert "they are trained on, as you asked" in result.err
    (data,) = record(tmp_path / "run")["run"]["data"]
    assert data["dropped"] == 0 and data["contaminated"] == {"gsm8k:test": {"question": 8}}
    graded = run("eval", "gsm8k", "--no-report", "--checkpoint", tmp_path / "run", "--max-new-tokens", 4, "--json").ok()
    assert "contaminated: the model was trained on 8 rows that hold test questions of gsm8k:test" in graded.err
    assert json.loads(graded.out)[0]["contamination"] == 8


def test_a_clean_run_is_told_apart_from_one_that_nobody_searched(tiny, benchmark, rows, tmp_path):
    train_tiny(tmp_path / "run", data=("--dataset", rows), steps=2).ok()
    graded = run("eval", "gsm8k", "--no-report", "--checkpoint", tmp_path / "run", "--max-new-tokens", 4, "--json").ok()
    assert json.loads(graded.out)[0]["contamination"] == 0
    graded = run(
        "eval", "additions@5", "--no-report", "--checkpoint", tmp_path / "run", "--max-new-tokens", 4, "--json"
    ).ok()
    assert json.loads(graded.out)[0]["contamination"] is None


def test_what_is_evaluated_after_training_is_searched_for_too(tiny, rows, tmp_path):
    held = write_rows(tmp_path / "held.jsonl", QUESTIONS[30:])
    after = ("--set", f"eval.after_training={held}", "--set", "eval.max_new_tokens=2")
    result = train_tiny(tmp_path / "run", *after, data=("--dataset", rows), steps=2).ok()
    assert f"10 of 40 rows hold a question of {held}" in result.err


def test_all_rows_being_test_questions_is_an_error(tiny, benchmark, tmp_path):
    rows = write_rows(tmp_path / "few.jsonl", QUESTIONS[:8])
    result = train_tiny(tmp_path / "run", data=("--dataset", rows), steps=2)
    assert result.code == 1 and "--no-decontaminate" in result.err.splitlines()[-1]


# --- duplicates, validation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "left"), [("keep", 80), ("drop", 40)])
def test_duplicates_are_counted_and_dropped_on_request(tiny, tmp_path, policy, left):
    rows = write_rows(tmp_path / "rows.jsonl", QUESTIONS * 2)
    data = ("--dataset", rows, "--duplicates", policy, "--validation-split", 0)
    result = train_tiny(tmp_path / "run", data=data, steps=2).ok()
    facts = record(tmp_path / "run")["run"]
    assert facts["training_rows"] == left and facts["data"][0]["duplicates"] == 40
    assert "40 rows ask what came before" in result.err


def test_an_own_split_watches_the_loss_and_is_not_trained_on(tiny, rows, tmp_path):
    held = write_rows(tmp_path / "held.jsonl", QUESTIONS[:10])
    train_tiny(tmp_path / "run", "--validation", held, data=("--dataset", rows), steps=2).ok()
    facts = record(tmp_path / "run")["run"]
    assert facts["training_rows"] == 30 and facts["held_out_rows"] == 10


def test_the_second_run_takes_its_tokens_from_disk(tiny, rows, tmp_path):
    first = train_tiny(tmp_path / "a", data=("--dataset", rows), steps=4).ok()
    second = train_tiny(tmp_path / "b", data=("--dataset", rows), steps=4).ok()
    third = train_tiny(tmp_path / "c", "--no-cache", data=("--dataset", rows), steps=4).ok()
    assert "token ids: taken from" in second.err
    assert "token ids: taken from" not in first.err + third.err
    assert same(weights(tmp_path / "a" / "final"), weights(tmp_path / "b" / "final"))
    assert same(weights(tmp_path / "a" / "final"), weights(tmp_path / "c" / "final"))


# --- mixtures ----------------------------------------------------------------------------------------------------

MIXED = """
[[data.sources]]
dataset = "additions@60"
weight = 3

[[data.sources]]
dataset = "{path}"
columns = {{ question = "ask", answer = "say" }}
weight = 1
"""


@pytest.fixture
def odd(tmp_path):
    return write_rows(tmp_path / "odd.jsonl", [{"ask": r["question"], "say": r["answer"], "x": 1} for r in QUESTIONS])


def test_sources_mix_by_weight(tiny, odd, tmp_path):
    mixed = profile(tmp_path, MIXED.format(path=odd))
    result = train_tiny(tmp_path / "run", *mixed, data=("--validation-split", 0), steps=2).ok()
    assert "additions:train: 75 rows of a pass, 75.0%" in result.err
    assert f"{odd}: 25 rows of a pass, 25.0%" in result.err
    kept = record(tmp_path / "run")["data"]
    assert kept["dataset"] == [] and kept["sources"][1]["columns"] == {"question": "ask", "answer": "say"}
    run("train", "--profile", tmp_path / "run" / "run.toml", "--output", tmp_path / "again").ok()
    assert same(weights(tmp_path / "run" / "final"), weights(tmp_path / "again" / "final"))


def test_without_weights_all_rows_come_once(tiny, rows, tmp_path):
    data = (*SUMS, "--dataset", rows, "--validation-split", 0)
    result = train_tiny(tmp_path / "run", data=data, steps=2).ok()
    assert "additions:train: 160 rows of a pass, 80.0%" in result.err


def test_the_flag_takes_the_place_of_the_profiles_sources(tiny, odd, tmp_path):
    mixed = profile(tmp_path, MIXED.format(path=odd))
    train_tiny(tmp_path / "run", *mixed, data=("--dataset", "additions@20"), steps=2).ok()
    assert [part["dataset"] for part in record(tmp_path / "run")["run"]["data"]] == ["additions:train"]


def test_a_fallback_stands_in_aloud(tiny, rows, tmp_path):
    gone = profile(tmp_path, f'[[data.sources]]\ndataset = "nobody/nothing"\nfallback = "{rows}"\n')
    result = train_tiny(tmp_path / "run", *gone, data=(), steps=2).ok()
    assert re.search(rf"nobody/nothing.* {re.escape(str(rows))} is taken in the place of nobody/nothing", result.err)
    assert record(tmp_path / "run")["run"]["data"][0]["instead_of"] == "nobody/nothing:train"


FAULTS = [
    ('[[data.sources]]\ndataset = "a"\nwieght = 1\n', "unknown key 'wieght' in [[data.sources]]", 2),
    ('[[data.sources]]\ndataset = "additions"\nweight = 0\n', "add up to zero", 2),
    ('[[data.sources]]\ndataset = "additions"\nweight = -2\n', "it must be at least 0", 2),
    (
        '[[data.sources]]\ndataset = "additions"\ncolumns = { question = "q" }\n',
        "'additions' has no option 'question'",
        2,
    ),
    ('[[data.sources]]\ndataset = "adition"\n', "did you mean 'additions'", 2),
    ('[data]\nsources = "additions"\n', "write it as [[data.sources]]", 2),
    ('[data]\ndataset = ["additions"]\n[[data.sources]]\ndataset = "additions"\n', "are both set", 2),
    ('[[data.sources]]\ndataset = "additions"\nformat = "gsm8k"\n', "neither a file nor a hub id", 2),
]


@pytest.mark.parametrize(("text", "said", "code"), FAULTS, ids=[said for _, said, _ in FAULTS])
def test_a_profile_that_cannot_be(tiny, tmp_path, text, said, code):
    result = run("train", "--arch", "tiny-llama", *profile(tmp_path, text))
    assert result.code == code and said in result.error_line


def test_a_local_file_is_read_by_a_named_formatter(tiny, tmp_path):
    path = write_rows(tmp_path / "mine.jsonl", [{"question": f"{n}?", "answer": f"so\n#### {n}"} for n in range(30)])
    text = f'[[data.sources]]\ndataset = "{path}"\nformat = "gsm8k"\n'
    train_tiny(tmp_path / "run", *profile(tmp_path, text), data=(), steps=2).ok()
    shown = json.loads(run("data", "check", path, "--json", "--tokenizer", "bytes").ok().out)
    assert shown["sources"][0]["schema"]


# --- streams -----------------------------------------------------------------------------------------------------

STREAM = ("--streaming", "on", "--window-rows", 24, "--validation-split", 0.1)


def test_a_stream_is_trained_on_and_gone_on_with_where_it_stood(tiny, tmp_path):
    rows = write_rows(tmp_path / "rows.jsonl", [{"question": f"what is {n}?", "answer": f"{n}"} for n in range(300)])
    data = ("--dataset", rows, "--dataset", "additions@100", *STREAM)
    more = ("--gradient-accumulation-steps", 2, "--save-steps", 5, "--eval-steps", 7)
    train_tiny(tmp_path / "halved", *more, "--lr-scheduler", "constant", data=data, steps=14).ok()
    whole = train_tiny(tmp_path / "whole", *more, "--lr-scheduler", "constant", data=data, steps=14).ok()
    assert "data: streamed in windows of 24 rows" in whole.err
    import shutil

    halved = tmp_path / "halved"
    shutil.rmtree(halved / "final")
    for step in (10, 14):
        shutil.rmtree(halved / "checkpoints" / f"checkpoint-{step}", ignore_errors=True)
    run("train", "--resume", halved).ok()
    assert same(weights(halved / "final"), weights(tmp_path / "whole" / "final"))


def test_a_stream_that_breaks_off_loses_no_finished_step(tiny, tmp_path):
    good = [{"question": f"what is {n}?", "answer": f"{n}"} for n in range(400)]
    path = write_rows(tmp_path / "rows.jsonl", [*good[:300], "broken", *good[300:]])
    # What is read ahead is bounded; with small chunks the fault is met while the first windows are trained on.
    data = ("--dataset", path, *STREAM, "--bad-rows", "refuse", "--set", "data.validation_split=0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reason_cli.engine.tokens.CHUNK", 8)
        patch.setattr("reason_cli.engine.training_rows.SAMPLE", 100)
        result = train_tiny(tmp_path / "run", "--lr-scheduler", "constant", data=data, steps=60)
        assert result.code == 1 and f"bad row at {path}:301" in result.err.splitlines()[-1]
        saved = re.search(r"saved at step (\d+)", result.err)
        assert saved and 20 < int(saved[1]) < 40
        write_rows(path, good)
        run("train", "--resume", tmp_path / "run").ok()
        train_tiny(tmp_path / "whole", "--lr-scheduler", "constant", data=data, steps=60).ok()
    assert same(weights(tmp_path / "run" / "final"), weights(tmp_path / "whole" / "final"))


def test_a_stream_leaves_out_held_out_rows_and_test_questions(tiny, benchmark, rows, tmp_path):
    result = train_tiny(tmp_path / "run", "--seed", 1, data=("--dataset", rows, *STREAM), steps=4).ok()
    facts = record(tmp_path / "run")["run"]
    assert facts["held_out_rows"] >= 1 and facts["data"][0]["streamed"]
    assert "rows are searched for test questions of gsm8k:test" in result.err
    assert re.search(rf"rows read: {re.escape(str(rows))} [\d,]+; [\d,]+ held out or with test questions", result.err)
    graded = run("eval", "gsm8k", "--no-report", "--checkpoint", tmp_path / "run", "--max-new-tokens", 4, "--json").ok()
    assert json.loads(graded.out)[0]["contamination"] == 0


def test_made_rows_that_are_streamed_never_come_again(tiny, tmp_path):
    data = ("--dataset", "additions", *STREAM, "--max-rows", 30)
    result = train_tiny(tmp_path / "run", data=data, steps=10).ok()
    assert int(re.search(r"rows read: additions:train ([\d,]+)", result.err)[1].replace(",", "")) > 80


def test_a_stream_cannot_drop_duplicates(tiny, rows, tmp_path):
    result = train_tiny(tmp_path / "run", "--duplicates", "drop", data=("--dataset", rows, *STREAM), steps=2)
    assert result.code == 2 and "duplicates cannot be dropped" in result.err.splitlines()[-1]


def test_what_is_too_large_is_streamed_unless_told_otherwise(tiny, rows, tmp_path, monkeypatch):
    from reason_cli.engine import sources

    monkeypatch.setattr(sources, "LARGE", 10)
    assert "streamed" in train_tiny(tmp_path / "a", data=("--dataset", rows), steps=2).ok().err
    whole = train_tiny(tmp_path / "b", data=("--dataset", rows, "--streaming", "off"), steps=2).ok()
    assert "streamed" not in whole.err
    assert "streamed" not in train_tiny(tmp_path / "c", data=("--dataset", f"{rows}@20"), steps=2).ok().err


# --- packing -----------------------------------------------------------------------------------------------------


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for n in range(30):
        (folder / f"{n}.txt").write_text(f"document {n} " * (n % 5 + 1), encoding="utf-8")
    (folder / "long.md").write_text("a long document " * 60, encoding="utf-8")
    return folder


def test_plain_texts_share_rows(tiny, texts, tmp_path):
    result = train_tiny(tmp_path / "run", "--validation-split", 0.1, data=("--dataset", texts), steps=4).ok()
    assert re.search(r"packing: \d+ rows in \d+ of 128 tokens, \d+% full", result.err)
    assert "reason eval" not in result.out, "texts ask nothing"
    result = train_tiny(tmp_path / "off", "--packing", "off", data=("--dataset", texts), steps=4).ok()
    assert "packing" not in result.err


def test_questions_do_not_share_rows_unless_asked(tiny, rows, tmp_path):
    assert "packing" not in train_tiny(tmp_path / "a", data=("--dataset", rows), steps=2).ok().err
    assert "packing: " in train_tiny(tmp_path / "b", "--packing", "all", data=("--dataset", rows), steps=2).ok().err


def test_a_stream_of_texts_shares_rows_too(tiny, texts, tmp_path):
    train_tiny(tmp_path / "run", data=("--dataset", texts, *STREAM), steps=4).ok()
