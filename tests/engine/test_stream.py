"""Rows while they are trained on: every row, in shares, and from any batch on the same again."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice

import pytest
from support import write_rows

from reason_cli.api import DatasetFormatter, Example
from reason_cli.engine.chat import Template
from reason_cli.engine.reading import Tally
from reason_cli.engine.sources import Source, Spec
from reason_cli.engine.stream import Draws, Place, Position, Start, Stream, uniform
from reason_cli.engine.tokens import Encoder
from reason_cli.errors import ReasonError


class Asked(DatasetFormatter):
    name = "asked"
    help = "rows of q"
    universal = True

    def format(self, row, options):
        return None if row.get("skip") else Example(row["q"], "r" * row.get("long", 0), "1")


class Endless(Asked):
    name = "endless"
    universal = False

    def generate(self, split, seed, options):
        return ({"q": f"{split} {seed} {n}"} for n in iter(int, 1) for n in range(10**9))


def file_of(tmp_path, name, count, **more):
    return write_rows(tmp_path / f"{name}.jsonl", [{"q": f"{name}{n}", **more} for n in range(count)])


def source_of(path, weight=-1.0):
    return Source(Spec(str(path), "", 0), Asked(), None, "", path, weight)


def draws_of(*sources, takes=None, seed=0):
    return Draws(sources, takes or [0] * len(sources), seed, refuse_bad=False)


def drawn(draws, count, start=None):
    start = start or Start.first(len(draws.sources)).position
    return [one.item.question for one in islice(draws(start), count)]


# --- drawing -----------------------------------------------------------------------------------------------------


def test_without_weights_every_row_comes_once_before_any_comes_again(tmp_path):
    draws = draws_of(source_of(file_of(tmp_path, "a", 7)), source_of(file_of(tmp_path, "b", 30)))
    seen = drawn(draws, 3 * 37)
    for turn in range(3):
        assert len(set(seen[turn * 37 : (turn + 1) * 37])) == 37
    assert seen[:37] != sorted(seen[:37]), "drawn in turn, not one source after the other"


def test_with_weights_sources_come_in_their_shares_and_begin_anew(tmp_path):
    draws = draws_of(source_of(file_of(tmp_path, "a", 5), 3.0), source_of(file_of(tmp_path, "b", 900), 1.0))
    counts = Counter(name[0] for name in drawn(draws, 2_000))
    assert 0.72 < counts["a"] / 2_000 < 0.78


def test_a_source_of_weight_zero_is_never_drawn(tmp_path):
    draws = draws_of(source_of(file_of(tmp_path, "a", 5), 0.0), source_of(file_of(tmp_path, "b", 5), 0.1))
    assert {name[0] for name in drawn(draws, 100)} == {"b"}


def test_so_many_of_a_source_in_a_pass(tmp_path):
    draws = draws_of(source_of(file_of(tmp_path, "a", 9)), takes=[4])
    assert drawn(draws, 10) == ["a0", "a1", "a2", "a3"] * 2 + ["a0", "a1"]


def test_an_endless_source_never_begins_anew():
    draws = draws_of(Source(Spec("endless", "", 0), Endless(), None, "train", None))
    assert len(set(drawn(draws, 500))) == 500


def test_a_source_without_items_is_an_error_and_no_endless_loop(tmp_path):
    for rows in ([], [{"skip": True, "q": "x"}] * 3):
        with pytest.raises(ReasonError, match="has no rows"):
            drawn(draws_of(source_of(write_rows(tmp_path / "a.jsonl", rows))), 1)


def test_drawing_goes_on_after_any_item(tmp_path):
    rows = [{"q": f"a{n}", "skip": n % 3 == 1} for n in range(11)]
    sources = [source_of(write_rows(tmp_path / "a.jsonl", rows)), source_of(file_of(tmp_path, "b", 4))]
    whole = list(islice(draws_of(*sources)(Start.first(2).position), 40))
    for number in range(39):
        rest = list(islice(draws_of(*sources)(whole[number].after), 39 - number))
        assert rest == whole[number + 1 :], number


def test_choices_are_even_and_seeded():
    points = [uniform(3, n) for n in range(10_000)]
    assert all(0 <= point < 1 for point in points) and 0.49 < sum(points) / 10_000 < 0.51
    tenths = Counter(int(10 * point) for point in points)
    assert min(tenths.values()) > 850
    assert points[:5] == [uniform(3, n) for n in range(5)] != [uniform(4, n) for n in range(5)]


# --- windows and batches -----------------------------------------------------------------------------------------


def stream_of(tokenizer, *sources, start=None, keep=lambda item: True, window=50, batch=4, **more):
    encoder = Encoder(tokenizer, Template("plain"), more.pop("max_seq_len", 200))
    start = start or Start.first(len(sources))
    return Stream(draws_of(*sources), encoder, keep, batch, window, start=start, **more)


def questions(tokenizer, batch):
    texts = [tokenizer.decode(row["input_ids"]) for row in batch]
    return [text.split("user\n")[1].split("<|im_end|>")[0] for text in texts]


def test_each_of_several_processes_takes_its_batches_of_the_same_stream(tokenizer, tmp_path):
    source = source_of(file_of(tmp_path, "a", 130))
    whole = list(islice(stream_of(tokenizer, source, window=65), 48))
    shares = [list(islice(stream_of(tokenizer, source, window=65, rank=n, processes=3), 16)) for n in range(3)]
    for number, batch in enumerate(whole):
        assert questions(tokenizer, shares[number % 3][number // 3]) == questions(tokenizer, batch)
    start = stream_of(tokenizer, source, window=65)
    list(islice(start, 30))
    resumed = stream_of(tokenizer, source, window=65, start=start.state_after(30), rank=1, processes=3)
    assert [questions(tokenizer, b) for b in islice(resumed, 6)] == [questions(tokenizer, b) for b in shares[1][10:]]


def test_a_window_is_shuffled_and_loses_nothing(tokenizer, tmp_path):
    stream = stream_of(tokenizer, source_of(file_of(tmp_path, "a", 130)), window=65)
    batches = list(islice(stream, 34))
    seen = [question for batch in batches for question in questions(tokenizer, batch)]
    assert sorted(seen) == sorted(f"a{n}" for n in range(130))
    assert sorted(seen[:65]) == sorted(f"a{n}" for n in range(65)) != seen[:65]
    assert [len(batch) for batch in batches] == ([4] * 16 + [1]) * 2


def test_rows_that_are_not_kept_are_left_out(tokenizer, tmp_path):
    stream = stream_of(
        tokenizer, source_of(file_of(tmp_path, "a", 40)), keep=lambda item: not item.question.endswith("7"), window=12
    )
    seen = {question for batch in islice(stream, 27) for question in questions(tokenizer, batch)}
    assert len(seen) == 36 and not any(question.endswith("7") for question in seen)


def test_long_rows_are_counted_or_refused(tokenizer, tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [{"q": f"q{n}", "long": 500 * (n % 2)} for n in range(40)])
    stream = stream_of(tokenizer, source_of(path), window=20)
    list(islice(stream, 5))
    assert stream.dropped >= 19 and stream.longest > 500
    with pytest.raises(ReasonError, match="longer than max_seq_len 200"):
        list(islice(stream_of(tokenizer, source_of(path), refuse_long=True), 5))


def test_rows_of_which_none_is_left_are_an_error_and_no_endless_loop(tokenizer, tmp_path):
    source = source_of(file_of(tmp_path, "a", 9))
    with pytest.raises(ReasonError, match="no row of the data can be trained on"):
        next(iter(stream_of(tokenizer, source, keep=lambda item: False)))
    with pytest.raises(ReasonError, match="no row of the data can be trained on"):
        next(iter(stream_of(tokenizer, source, max_seq_len=8)))


def test_too_many_bad_rows_stop_it(tokenizer, tmp_path):
    rows = [{"q": f"a{n}"} if n % 5 else "broken" for n in range(2_000)]
    with pytest.raises(ReasonError, match=r"rows .* cannot be read, the first at"):
        list(islice(stream_of(tokenizer, source_of(write_rows(tmp_path / "a.jsonl", rows)), window=300), 500))


@pytest.mark.parametrize("done", [0, 1, 7, 13, 26, 40, 90])
def test_from_any_batch_on_it_is_the_same(tokenizer, tmp_path, done):
    """The state goes through JSON, as in a checkpoint; batches that were made ahead do not matter."""
    path = write_rows(tmp_path / "a.jsonl", [{"q": f"a{n}", "long": n % 9, "skip": n % 4 == 0} for n in range(70)])
    sources = source_of(path), source_of(file_of(tmp_path, "b", 25))

    def batches(stream, count):
        return [[row["input_ids"].tolist() for row in batch] for batch in islice(stream, count)]

    whole = stream_of(tokenizer, *sources)
    expected = batches(whole, done + 33)[done:]
    stopped = stream_of(tokenizer, *sources)
    batches(stopped, done + 2)
    state = json.loads(json.dumps(stopped.state_after(done).to_json()))
    resumed = stream_of(tokenizer, *sources, start=Start.from_json(state))
    assert batches(resumed, 20) == expected[:20]
    again = json.loads(json.dumps(resumed.state_after(18).to_json()))
    assert batches(stream_of(tokenizer, *sources, start=Start.from_json(again)), 15) == expected[18:]


def test_little_is_held_at_a_time(tokenizer, tmp_path):
    """A window's rows, however long the file: memory does not grow with the rows that went by."""
    import tracemalloc

    stream = iter(stream_of(tokenizer, source_of(file_of(tmp_path, "a", 12_000)), window=1_000, batch=50))
    peaks = []
    tracemalloc.start()
    for _ in range(3):
        tracemalloc.reset_peak()
        list(zip(range(60), stream, strict=False))
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[0]


def test_the_start_of_a_stream():
    assert Start.first(2) == Start(Position(0, (Place(), Place())))
    assert Tally().counts is None
