"""Rows from files and folders: every format, every fault, from any row on, in bounded memory."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reason_cli.api import BadRow
from reason_cli.engine import files, lines, tables
from reason_cli.engine.files import SUFFIXES, TEXTS, rows, size
from reason_cli.errors import ReasonError

MIB = 2**20
ROWS = [{"q": f"Frage {n} – ü", "a": n} for n in range(5)]


def put(path: Path, data: bytes | str) -> Path:
    """A file with this content, gzipped if it is named so."""
    data = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
    return path


def put_parquet(path: Path, data: list[dict], group: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(data), path, row_group_size=group)
    return path


def as_lines(data: list[dict]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in data)


def seen(path: Path, skip: int = 0) -> list[tuple[str, object]]:
    """Rows by their places below `path`; a bad row is its reason in braces, which no JSON value equals."""
    found = []
    for where, row in rows(path, skip):
        assert where.startswith(str(path))
        place = where.removeprefix(str(path)).lstrip("/:")
        found.append((place, f"<{row}>" if isinstance(row, BadRow) else dict(row)))
    return found


def values(path: Path) -> list[object]:
    return [row for _, row in seen(path)]


@contextmanager
def refused(*parts: str):
    """The block ends with a `ReasonError` of one line that holds every part and a next step."""
    with pytest.raises(ReasonError) as caught:
        yield
    said = str(caught.value)
    assert all(part in said for part in parts), said
    assert "\n" not in said and caught.value.hint
    assert caught.value.__suppress_context__ or not caught.value.__context__, "the cause is not for people"


@contextmanager
def memory_below(most: int):
    """The block never holds more than `most` bytes."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak / MIB:.1f} MiB"


# --- JSON lines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "A.JSONL"])
def test_json_lines(tmp_path, name):
    path = put(tmp_path / name, as_lines(ROWS))
    assert seen(path) == [(str(n), row) for n, row in enumerate(ROWS, 1)]


def test_blank_lines_crlf_a_byte_order_mark_and_a_last_line_without_end(tmp_path):
    path = put(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \t\n{"a": 2}\r\n\n{"a": 3}')
    assert seen(path) == [("1", {"a": 1}), ("4", {"a": 2}), ("6", {"a": 3})]


@pytest.mark.parametrize("data", ["", "\n \n", "\ufeff", "\ufeff\n"])
def test_a_file_of_nothing_has_no_rows(tmp_path, data):
    assert seen(put(tmp_path / "a.jsonl", data)) == []


BAD_LINES = [
    (b'{"a": 1', "not JSON: Expecting"),
    (b"{'a': 1}", "not JSON: Expecting"),
    (b'{"a": 1} {"a": 2}', "not JSON: Extra data"),
    (b"\x00\x00", "not JSON: "),
    (b"[" * 100_000, "not JSON: "),
    (b'{"a": ' + b"9" * 10_000 + b"}", "not JSON: "),
    (b'{"a": "\xff\xfe"}', "not UTF-8"),
    (b'{"a": "caf\xe9"}', "not UTF-8"),
    (b'{"a": "\xed\xa0\xbd"}', "not UTF-8"),
    (b"[1, 2]", "a JSON object is needed, this is list"),
    (b"null", "a JSON object is needed, this is NoneType"),
    (b'{"a": ["\\ud83d"]}', "half a character"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=[repr(line[:20]) for line, _ in BAD_LINES])
def test_a_bad_line_takes_its_own_place_only(tmp_path, line, reason):
    path = put(tmp_path / "a.jsonl", b'{"a": 0}\n' + line + b'\n{"a": 2}\n')
    first, (place, bad), last = seen(path)
    assert (first, last) == (("1", {"a": 0}), ("3", {"a": 2}))
    assert place == "2" and bad.startswith(f"<{reason}")


def test_no_depth_is_a_traceback(tmp_path):
    """Looking for half characters goes as deep as parsing did."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join('{"a": ' + "[" * n + '"\\ud83d\\ude00"' + "]" * n + "}\n" for n in range(500, 1500)))
    reasons = {value.partition(":")[0] for value in values(path) if isinstance(value, str)}
    assert reasons <= {"<not JSON", "<nested too deep>"}
    assert len(values(path)) == 1000


def test_a_pair_of_halves_is_a_character(tmp_path):
    assert values(put(tmp_path / "a.jsonl", '{"a": "\\ud83d\\ude00"}\n')) == [{"a": "😀"}]


@pytest.mark.parametrize(("extra", "fits"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("mark", [b"", lines.BOM])
def test_the_longest_line(tmp_path, monkeypatch, extra, fits, end, mark):
    monkeypatch.setattr(lines, "LONGEST", 100)
    line = (mark + b'{"a": "').ljust(98 + extra, b"x") + b'"}'
    path = put(tmp_path / "a.jsonl", line + end)
    assert [isinstance(row, dict) for row in values(path)] == [fits]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("skip", [0, 2])
def test_a_line_of_100_mb_is_a_bad_row_and_never_held(tmp_path, name, skip):
    path = tmp_path / name
    with gzip.open(path, "wb", 1) if name.endswith(".gz") else path.open("wb") as file:
        file.write(b'{"a": 1}\n')
        file.seek(100 * MIB, os.SEEK_CUR)
        file.write(b'\n{"a": 2}\n')
    with memory_below(60 * MIB):
        found = seen(path, skip)
    assert found == [("1", {"a": 1}), ("2", "<the line is longer than 16 MiB>"), ("3", {"a": 2})][skip:]


def test_a_long_file_takes_no_more_memory_than_its_lines(tmp_path):
    path = put(tmp_path / "a.jsonl", b'{"a": "' + b"x" * 10_000 + b'"}\n')
    path.write_bytes(path.read_bytes() * 2_000)
    with memory_below(path.stat().st_size // 6):
        assert sum(1 for _ in rows(path)) == 2_000


# --- JSON documents ----------------------------------------------------------------------------------------------

MESSAGES = [{"role": "user", "content": "Hi"}]
DOCUMENTS = [
    (ROWS, ROWS),
    ([], []),
    ([ROWS[0], 3, ROWS[1]], [ROWS[0], "<a JSON object is needed, this is int>", ROWS[1]]),
    ({"data": ROWS}, ROWS),
    ({"version": "1.1", "tags": ["x"], "data": ROWS}, ROWS),
    (ROWS[0], [ROWS[0]]),
    ({"q": "x", "choices": ["1", "2"]}, [{"q": "x", "choices": ["1", "2"]}]),
    ({"messages": MESSAGES}, [{"messages": MESSAGES}]),
    ({"messages": MESSAGES, "tools": [{"name": "add"}]}, [{"messages": MESSAGES, "tools": [{"name": "add"}]}]),
]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
@pytest.mark.parametrize(("value", "wanted"), DOCUMENTS, ids=[json.dumps(value)[:40] for value, _ in DOCUMENTS])
def test_documents(tmp_path, value, wanted, name, indent):
    path = put(tmp_path / name, "\ufeff" + json.dumps(value, indent=indent) + "\n\n")
    assert seen(path) == [(str(n), row) for n, row in enumerate(wanted, 1)]


def test_half_a_character_in_a_document_is_one_bad_row(tmp_path):
    path = put(tmp_path / "a.json", '[{"a": "\\udc00"}, {"a": "\\ud83d\\ude00"}]')
    assert values(path) == ["<half a character (a lone surrogate)>", {"a": "😀"}]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_json_lines_under_the_name_of_a_document(tmp_path, name):
    path = put(tmp_path / name, b'\n{"a": 1}\n\n{"a": 2\n{"a": "\xff"}\n{"a": 4}\n')
    (one, two, three, four) = seen(path)
    assert (one, three, four) == (("2", {"a": 1}), ("5", "<not UTF-8>"), ("6", {"a": 4}))
    assert two[0] == "4" and two[1].startswith("<not JSON")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not JSON: "),
        (b'{"a": 1', "is not JSON: "),
        (b'{"a": 1} {"a": 2}', "is not JSON: Extra data"),
        (b'{\n"a": 1\n}\n{\n"a": 2\n}\n', "is not JSON: Extra data"),
        (b"[" * 100_000, "is not JSON: "),
        (b'[{"a": "\xff"}]', "is not UTF-8"),
        (b"3", "holds no objects"),
        (b'"text"', "holds no objects"),
        (b"[1, 2]", "holds no objects"),
        (b'{"train": [{"a": 1}], "test": [{"a": 2}]}', "holds 2 arrays of objects: 'train', 'test'"),
    ],
)
def test_a_document_that_is_no_rows_is_refused(tmp_path, data, reason):
    path = put(tmp_path / "a.json", data)
    with refused(str(path), reason):
        seen(path)


# --- CSV ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv(tmp_path, delimiter, name, end):
    table = [["q", "a"], ["eins, zwei; drei", "ü"], ['"zitiert"', ""]]
    text = "\ufeff" + "".join(
        delimiter.join('"' + field.replace('"', '""') + '"' for field in row) + end for row in table
    )
    path = put(tmp_path / name, text)
    assert seen(path) == [("2", {"q": "eins, zwei; drei", "a": "ü"}), ("3", {"q": '"zitiert"', "a": ""})]


@pytest.mark.parametrize(("header", "names"), [("a,b;c,d", ["a", "b;c", "d"]), ('"x,y";z', ["x,y", "z"]), ("a", ["a"])])
def test_the_delimiter_is_the_headers(tmp_path, header, names):
    path = put(tmp_path / "a.csv", header + "\n" + header + "\n")
    assert values(path) == [dict(zip(names, names, strict=True))]


def test_a_record_stands_at_its_first_line(tmp_path):
    path = put(tmp_path / "a.csv", '\nq,a\n"1\n2\n",x\n\n\n3,"y\n"\n4,z')
    assert seen(path) == [("3", {"q": "1\n2\n", "a": "x"}), ("8", {"q": "3", "a": "y\n"}), ("10", {"q": "4", "a": "z"})]


BAD_RECORDS = [
    (b"1,2", "the row has 2 of 3 fields"),
    (b"1,2,3,4", "the row has 4 of 3 fields"),
    (b'1,"2\n2",\xff', "not UTF-8"),
    (b"1,2\r2,3", "not CSV: a stray carriage return"),
]


@pytest.mark.parametrize(("record", "reason"), BAD_RECORDS)
def test_a_bad_record_takes_its_own_place_only(tmp_path, record, reason):
    path = put(tmp_path / "a.csv", b"a,b,c\n1,2,3\n" + record + b"\n4,5,6\n")
    first, (place, bad), last = values_and_places = seen(path)
    assert len(values_and_places) == 3
    assert first == ("2", {"a": "1", "b": "2", "c": "3"}) and last[1] == {"a": "4", "b": "5", "c": "6"}
    assert place == "3" and bad.startswith(f"<{reason}")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "has no header"),
        (b"\xef\xbb\xbf\n\n", "has no header"),
        (b"a,b,a\n1,2,3\n", "column 'a' is there twice"),
        (b"a,,c\n1,2,3\n", "column 2 of 3 has no name"),
        (b"a,b, \n1,2,3\n", "column 3 of 3 has no name"),
        (b"a,\xff\n1,2\n", "cannot read the header of"),
        (b"a\rb,c\n1,2\n", "cannot read the header of"),
        (b'a,"b\n1,2\n', "a quote opened here is never closed"),
    ],
)
def test_a_csv_without_a_proper_header_is_refused(tmp_path, data, reason):
    path = put(tmp_path / "a.csv", data)
    with refused(str(path), reason):
        seen(path)


def test_a_quote_that_is_never_closed_swallows_no_rows_in_silence(tmp_path):
    path = put(tmp_path / "a.csv", 'a,b\n1,2\n3,"4\n5,6\n7,8\n')
    found = rows(path)
    assert next(found) == (f"{path}:2", {"a": "1", "b": "2"})
    with refused(f"{path}:3: a quote opened here is never closed"):
        next(found)


def test_csv_fields_may_be_long(tmp_path):
    path = put(tmp_path / "a.csv", "a,b\n1," + "x" * MIB + "\n")
    assert len(values(path)[0]["b"]) == MIB


@pytest.mark.parametrize("record", ["1," + "x" * 200, '1,"' + "x\n" * 100 + '"'], ids=["line", "lines"])
@pytest.mark.parametrize("skip", [0, 3])
def test_a_csv_record_that_is_too_long_stops(tmp_path, monkeypatch, record, skip):
    monkeypatch.setattr(lines, "LONGEST", 150)
    monkeypatch.setattr(tables, "LONGEST", 150)
    path = put(tmp_path / "a.csv", f"a,b\n1,2\n{record}\n3,4\n")
    with refused(f"{path}:3: the record is longer than 16 MiB"):
        seen(path, skip)


def test_a_csv_line_of_100_mb_is_never_held(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n1,2\n")
        file.seek(100 * MIB)
        file.write(b"\n3,4\n")
    with memory_below(60 * MIB), refused(f"{path}:3: the record is longer than 16 MiB"):
        seen(path)


# --- Parquet -----------------------------------------------------------------------------------------------------


def test_parquet(tmp_path):
    data = [{"q": "ü", "n": None, "m": MESSAGES}, {"q": "x", "n": 1.5, "m": []}, {"q": "y", "n": 2.0, "m": None}]
    path = put_parquet(tmp_path / "a.parquet", data)
    assert seen(path) == [("1", data[0]), ("2", data[1]), ("3", data[2])]
    assert seen(put_parquet(tmp_path / "none.parquet", data).with_name("none.parquet"), 3) == []


def test_parquet_text_that_is_not_utf8_is_a_bad_row(tmp_path):
    text = pa.StringArray.from_buffers(3, *pa.array([b"a", b"\xff", b"c"], pa.binary()).buffers()[1:])
    pq.write_table(pa.table({"a": text}), tmp_path / "a.parquet")
    assert seen(tmp_path / "a.parquet") == [("1", {"a": "a"}), ("2", "<not UTF-8>"), ("3", {"a": "c"})]


def test_parquet_values_that_python_does_not_have_are_a_bad_row(tmp_path):
    days = pa.array([0, 2**30], pa.int32()).view(pa.date32())
    pq.write_table(pa.table({"a": days}), tmp_path / "a.parquet")
    (_, good), (place, bad) = seen(tmp_path / "a.parquet")
    assert str(good["a"]) == "1970-01-01" and place == "2" and bad.startswith("<cannot be read: ")


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-20], lambda data: b"PAR1 no", lambda data: data[20:]]
)
def test_a_broken_parquet_file_is_refused(tmp_path, damage):
    path = put_parquet(tmp_path / "a.parquet", ROWS)
    path.write_bytes(damage(path.read_bytes()))
    with refused(f"cannot read {path} as Parquet: ", "fetch it again"):
        seen(path)


def test_a_parquet_row_group_is_never_held_whole(tmp_path):
    texts = pa.table({"a": [os.urandom(1000).hex() for _ in range(10_000)]})
    pq.write_table(texts, tmp_path / "a.parquet", use_dictionary=False)
    del texts
    before = pa.total_allocated_bytes()
    found = rows(tmp_path / "a.parquet")
    next(found)
    assert pa.total_allocated_bytes() - before < 8 * MIB < size(tmp_path / "a.parquet") / 2
    assert sum(1 for _ in found) == 9_999


def test_parquet_columns_of_one_name_are_refused(tmp_path):
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "a.parquet")
    with refused("column 'a' is there twice"):
        seen(tmp_path / "a.parquet")


def test_parquet_rows_that_are_left_out_are_not_read(tmp_path):
    path = put_parquet(tmp_path / "a.parquet", ROWS)
    whole = seen(path)
    end = pq.ParquetFile(path).metadata.row_group(1).column(0).dictionary_page_offset
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * (end - 4) + data[end:])  # the first row group is gone
    assert seen(path, 2) == whole[2:]
    with refused("as Parquet"):
        seen(path, 1)


# --- gzip --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz", "a.csv.gz"])
@pytest.mark.parametrize("keep", [0, 5, 0.5, 0.99])
@pytest.mark.parametrize("skip", [0, 10**9])
def test_a_truncated_gzip_is_refused(tmp_path, name, keep, skip):
    noise = "".join(f'{{"a": "{os.urandom(20).hex()}"}}\n' for _ in range(500))
    path = put(tmp_path / name, noise)
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    with refused(f"{path} ends early: the gzip file is truncated", "fetch it again"):
        seen(path, skip)


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"no gzip at all\n", lambda data: flip(data, 10), lambda data: flip(data, len(data) - 8)],
    ids=["other", "stream", "checksum"],
)
def test_a_damaged_gzip_is_refused(tmp_path, damage):
    path = put(tmp_path / "a.jsonl.gz", as_lines(ROWS))
    path.write_bytes(damage(path.read_bytes()))
    with refused(f"{path} is damaged: not a whole gzip file", "fetch it again"):
        seen(path)


def test_a_damaged_gzip_is_met_where_it_breaks_off(tmp_path):
    """Rows before it are had: not the whole file is read ahead."""
    path = put(tmp_path / "a.jsonl.gz", b'{"a": "' + b"x" * 10_000 + b'"}\n')
    path.write_bytes((path.read_bytes() * 1_000)[:-10])  # gzip files one after another are one
    found = rows(path)
    assert set(next(found)[1]) == {"a"}
    with refused("ends early"):
        list(found)


# --- folders -----------------------------------------------------------------------------------------------------


def test_a_folder_of_texts(tmp_path):
    top = tmp_path / "texts"
    put(top / "b.txt", "\ufeffzwei\r\n")
    put(top / "a" / "x.py", "print()\n")
    put(top / "a.md", "eins")
    put(top / "B.TXT", "ü")
    put(top / "image.png", b"\xff")
    put(top / "c.txt", b"caf\xe9")
    put(top / "blank.txt", " \n\t\n")
    put(top / "mark.txt", "\ufeff\n")
    put(top / "empty.txt", "")
    text = lambda path, content: (path, {"text": content, "path": path})  # noqa: E731
    assert seen(top) == [
        text("B.TXT", "ü"),
        text("a.md", "eins"),
        text("a/x.py", "print()\n"),
        text("b.txt", "zwei\r\n"),
        ("c.txt", "<not UTF-8>"),
    ]


def test_a_single_text(tmp_path):
    path = put(tmp_path / "a.md", "eins")
    assert list(rows(path)) == [(str(path), {"text": "eins", "path": "a.md"})]


def test_a_text_that_is_too_large_is_a_bad_row(tmp_path):
    put(tmp_path / "a.txt", "eins")
    with (tmp_path / "b.txt").open("wb") as file:
        file.truncate(files.LARGEST_TEXT + 1)
    with memory_below(10 * MIB):
        assert values(tmp_path) == [{"text": "eins", "path": "a.txt"}, "<the file is larger than 256 MiB>"]


def test_a_folder_of_row_files(tmp_path):
    top = tmp_path / "rows"
    put(top / "b.jsonl", as_lines(ROWS[:2]))
    put(top / "a" / "z.csv", "q,a\nx,y\n")
    put(top / "a-1.json.gz", json.dumps(ROWS[2]))
    put_parquet(top / "c.parquet", ROWS[3:])
    put(top / "LICENSE", "free")
    assert seen(top) == [
        ("a-1.json.gz:1", ROWS[2]),
        ("a/z.csv:2", {"q": "x", "a": "y"}),
        ("b.jsonl:1", ROWS[0]),
        ("b.jsonl:2", ROWS[1]),
        ("c.parquet:1", ROWS[3]),
        ("c.parquet:2", ROWS[4]),
    ]


def test_what_is_hidden_is_left_out(tmp_path):
    top = tmp_path / ".asked-for"
    for name in (".git/a.txt", ".hidden.txt", "a/.b/c.txt", "a/d.txt"):
        put(top / name, name)
    assert [place for place, _ in seen(top)] == ["a/d.txt"]


def test_links_are_followed_once(tmp_path):
    top = tmp_path / "top"
    put(top / "a" / "1.txt", "1")
    put(tmp_path / "elsewhere" / "2.txt", "2")
    (top / "a" / "loop").symlink_to(top)
    (top / "a" / "self").symlink_to(top / "a" / "self")
    (top / "linked").symlink_to(tmp_path / "elsewhere")
    (top / "linked-again").symlink_to(tmp_path / "elsewhere")
    (top / "a" / "linked-below").symlink_to(tmp_path / "elsewhere")
    (top / "3.txt").symlink_to(tmp_path / "elsewhere" / "2.txt")
    assert [place for place, _ in seen(top)] == ["3.txt", "a/1.txt", "linked/2.txt"]


@pytest.mark.parametrize("row_file", ["b/rows.jsonl", "b/rows.json", "a.parquet", "z.csv.gz"])
def test_a_folder_of_both_kinds_is_refused(tmp_path, row_file):
    put(tmp_path / "m.md", "text")
    put(tmp_path / "n.txt", "text")
    put(tmp_path / row_file, "{}")
    for read in (seen, size):
        with refused(f"folder {tmp_path} mixes texts and rows: m.md and {row_file}", "pass one file"):
            read(tmp_path)


def test_a_folder_without_readable_files_is_refused(tmp_path):
    put(tmp_path / "image.png", "x")
    put(tmp_path / ".hidden.jsonl", "{}")
    (tmp_path / "sub").mkdir()
    for read in (seen, size):
        with refused(f"folder {tmp_path} holds no readable file", *SUFFIXES, *TEXTS):
            read(tmp_path)


# --- paths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [seen, size])
@pytest.mark.parametrize("name", ["none.jsonl", "none", "none.parquet", "none.csv.gz", "none.txt"])
def test_a_missing_file_is_refused(tmp_path, read, name):
    with refused(f"cannot read {tmp_path / name}: No such file or directory", "check the path"):
        read(tmp_path / name)


def test_a_folder_where_a_file_is_named(tmp_path):
    (tmp_path / "a.jsonl").mkdir()
    with refused(f"folder {tmp_path / 'a.jsonl'} holds no readable file"):
        seen(tmp_path / "a.jsonl")
    put(tmp_path / "b.jsonl", "{}")
    with refused("Not a directory"):
        seen(tmp_path / "b.jsonl" / "c.jsonl")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv.gz", "a.parquet", "a.txt"])
def test_a_link_to_nowhere_in_a_folder_is_named(tmp_path, name):
    (tmp_path / name).symlink_to(tmp_path / "gone")
    with refused(f"cannot read {tmp_path / name}: No such file or directory; check the path"):
        seen(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet", "a.txt", "a.jsonl.gz"])
def test_a_file_that_may_not_be_read_is_refused(tmp_path, name):
    put(tmp_path / name, "{}").chmod(0)
    with refused(f"cannot read {tmp_path / name}: Permission denied", "permissions"):
        seen(tmp_path / name)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_a_denial_while_opening_is_refused(tmp_path, monkeypatch, name):
    """As above for root, whom no file denies anything."""

    def denied(self, *args, **options):
        raise PermissionError(13, "Permission denied", str(self))

    path = put(tmp_path / name, "{}")
    monkeypatch.setattr(Path, "open", denied)
    with refused(f"cannot read {path}: Permission denied", "permissions"):
        seen(path)


def test_a_folder_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    """Its rows would be missing in silence."""
    scan = os.scandir

    def denied(folder):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    put(tmp_path / "a.jsonl", as_lines(ROWS))
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "scandir", denied)
    with refused(f"cannot read {tmp_path / 'locked'}: Permission denied", "permissions"):
        seen(tmp_path)


def test_a_name_that_says_nothing_is_refused(tmp_path):
    path = put(tmp_path / "a.xlsx", "x")
    with refused(f"cannot tell what {path} holds", *SUFFIXES, *TEXTS):
        seen(path)


def test_size(tmp_path):
    one = put(tmp_path / "a.jsonl", "x" * 10)
    put(tmp_path / "b" / "c.csv", "x" * 100)
    put(tmp_path / "d.png", "x" * 1000)
    put(tmp_path / ".e.jsonl", "x" * 1000)
    assert (size(one), size(tmp_path)) == (10, 110)


# --- from any row on ---------------------------------------------------------------------------------------------

MIXED = b'{"a": 1}\n\n{"a": "\xff"}\n3\n{"a": 2}\nnot\n' + b"x" * 300 + b'\n\n{"a": 4}'
RECORDS = b'a,b\n1,2\n\n"3\n3",4\n5\n6,\xff\n7\r7,8\n9,10'
ARRAY = json.dumps([*ROWS, 7, *ROWS])


def a_folder(top: Path) -> Path:
    put(top / "a.jsonl", MIXED)
    put(top / "b.csv.gz", RECORDS)
    put(top / "c" / "d.json", ARRAY)
    put_parquet(top / "c" / "e.parquet", ROWS)
    put(top / "f.jsonl", "")
    put(top / "g.jsonl.gz", MIXED)
    return top


def texts(top: Path) -> Path:
    for number, data in enumerate([b"one", b"", b"\xff", b" \n", b"\xef\xbb\xbf", b"x" * 2000, b"six"]):
        put(top / f"{number}.txt", data)
    return top


KINDS = {
    "jsonl": (lambda top: put(top / "a.jsonl", MIXED), 7),
    "jsonl.gz": (lambda top: put(top / "a.jsonl.gz", MIXED), 7),
    "json": (lambda top: put(top / "a.json", ARRAY), 11),
    "json.gz": (lambda top: put(top / "a.json.gz", ARRAY), 11),
    "lines.json": (lambda top: put(top / "a.json", MIXED), 7),
    "csv": (lambda top: put(top / "a.csv", RECORDS), 6),
    "csv.gz": (lambda top: put(top / "a.csv.gz", RECORDS), 6),
    "parquet": (lambda top: put_parquet(top / "a.parquet", ROWS * 3, group=4), 15),
    "parquet batches": (lambda top: put_parquet(top / "a.parquet", ROWS * 3, group=100), 15),
    "text": (lambda top: put(top / "a.txt", "text"), 1),
    "folder of rows": (a_folder, 36),
    "folder of texts": (texts, 4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_reading_from_row_k_on_gives_what_the_whole_gives_from_there(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(lines, "LONGEST", 200)
    monkeypatch.setattr(tables, "BATCH", 3)
    monkeypatch.setattr(files, "LARGEST_TEXT", 1000)
    make, number = KINDS[kind]
    path = make(tmp_path)
    whole = seen(path)
    assert len(whole) == len({place for place, _ in whole}) == number
    for skip in range(number + 3):
        assert seen(path, skip) == whole[skip:], skip


def test_lines_that_are_left_out_are_not_parsed(tmp_path, monkeypatch):
    parsed = []
    loads = json.loads
    monkeypatch.setattr(lines.json, "loads", lambda text: parsed.append(text) or loads(text))
    path = put(tmp_path / "a.jsonl", as_lines(ROWS))
    assert len(seen(path, 3)) == 2
    assert len(parsed) == 2


def test_a_file_is_closed_when_its_reader_stops_early(tmp_path, monkeypatch):
    kept = []
    opened = lines.opened
    for module in (lines, tables):
        monkeypatch.setattr(module, "opened", lambda path: kept.append(opened(path)) or kept[-1])
    for path in (put(tmp_path / "a.jsonl.gz", MIXED), put(tmp_path / "a.csv", RECORDS)):
        found = rows(path)
        next(found)
        assert not kept[-1].closed
        found.close()
        assert kept[-1].closed
