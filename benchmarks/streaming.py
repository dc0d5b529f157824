"""Streams a large JSON-lines file through formatting, decontamination and tokenising: rows/s, memory, and resuming.

    python benchmarks/streaming.py [--rows 5000000] [--folder /tmp]

Writes a file of synthetic problems (about 230 bytes each), streams it once to its end in windows as training would,
then goes on from half-way in a new stream and compares the next 100 batches, id by id.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from itertools import islice
from pathlib import Path

from reason_cli.engine import tokenizers
from reason_cli.engine.chat import Template, plain_texts
from reason_cli.engine.reading import Tally, read, settle
from reason_cli.engine.report import Silent
from reason_cli.engine.sources import Source, Spec
from reason_cli.engine.stream import Draws, Start, Stream
from reason_cli.engine.tokens import Encoder
from reason_cli.plugins import build_switchboard

BATCH, WINDOW, COMPARED = 64, 20_000, 100
NAMES = ("Ann", "Ben", "Cem", "Dora", "Emil", "Fay")
THINGS = ("apples", "stamps", "marbles", "books", "coins")


def write(path: Path, rows: int) -> None:
    """A file of `rows` problems, no two the same."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for n in range(rows):
            name, thing, more = draw.choice(NAMES), draw.choice(THINGS), draw.randrange(1, 1000)
            row = {
                "question": f"{name} has {n} {thing} and is given {more} more on Monday. On Tuesday {name} gives half "
                f"of the {more} away again. How many {thing} does {name} have in the end?",
                "reasoning": f"{n} + {more} = {n + more}\n{n + more} - {more // 2} = {n + more - more // 2}",
                "answer": str(n + more - more // 2),
            }
            file.write(json.dumps(row) + "\n")


def source_of(path: Path) -> Source:
    formatter = build_switchboard().universal_dataset()
    options = formatter.Options(question="question", reasoning="reasoning", answer="answer")  # type: ignore[call-arg]
    return settle(Source(Spec(str(path), "", 0), formatter, options, "", path), 0, Silent())[0]


def stream_of(source: Source, encoder: Encoder, start: Start | None = None) -> Stream:
    draws = Draws([source], [0], 0, refuse_bad=True)
    return Stream(draws, encoder, lambda item: True, BATCH, WINDOW, start=start or Start.first(1))


def ids(batch: list[dict]) -> list[list[int]]:
    return [row["input_ids"].tolist() for row in batch]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=5_000_000)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, asked.rows)
        print(f"{asked.rows:,} rows, {path.stat().st_size / 2**30:.2f} GiB", flush=True)
        run(source_of(path), asked.rows)


def run(source: Source, rows: int) -> None:
    sample = [item for _, item in islice(read(source, 0, Tally(), refuse_bad=True), 20_000)]
    tokenizer = tokenizers.build("bpe:4096", plain_texts(sample, Template()))
    encoder = Encoder(tokenizer, Template(), 512)
    stream = stream_of(source, encoder)
    batches = rows // BATCH
    half = batches // 2
    begun, seen, tokens, expected = time.perf_counter(), 0, 0, []
    for number, batch in enumerate(stream, 1):
        seen += len(batch)
        tokens += sum(len(row["input_ids"]) for row in batch)
        if half < number <= half + COMPARED:
            expected.append(ids(batch))
        if number == half:
            state = json.loads(json.dumps(stream.state_after(half).to_json()))
        if number >= batches:
            break
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"streamed {seen:,} rows, {tokens:,} tokens: {seen / seconds:,.0f} rows/s, {tokens / seconds:,.0f} tokens/s")
    print(f"peak memory {peak:.2f} GiB (libraries included)")
    begun = time.perf_counter()
    again = [ids(batch) for batch in islice(stream_of(source, encoder, Start.from_json(state)), COMPARED)]
    same = again == expected
    print(
        f"gone on with at batch {half:,}, after {time.perf_counter() - begun:.1f} s: next {COMPARED} batches "
        + ("the same" if same else "DIFFER")
    )
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()
