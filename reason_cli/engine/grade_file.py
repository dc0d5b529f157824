"""Grading a file: its rows go by one at a time, their figures are added up, and what was asked for is written."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from reason_cli.api import AnswerExtractor
from reason_cli.engine.analysis import errors
from reason_cli.engine.graded import Graded, write_graded
from reason_cli.engine.grading import Sample, summarise
from reason_cli.engine.regrade import Counts, Regraded, Source, has_verifier, regrade
from reason_cli.engine.report import Reporter
from reason_cli.errors import ReasonError

KEPT = ("dataset", "checkpoint", "model", "contamination", "tokens", "data")  # of an evaluation that is graded again
EVERY = 500  # rows between two movements of the bar


@dataclass(frozen=True)
class Outcome:
    """What grading a file gave: the figures as `results.json` holds them, and what became of its rows."""

    results: Mapping[str, Any]
    counts: Counts


def grade_file(source: Source, extractor: AnswerExtractor, output: Path | None, report: Reporter) -> Outcome:
    """Grade all rows of a source.

    `output` ending in `.jsonl` gets each graded row with `value`, `strategy`, `span`, `correct` and `strict` added;
    any other is a new folder for an evaluation, with its report. Texts are held in memory only for the latter.
    Raises `ReasonError` when no row can be graded, or `output` cannot be written.
    """
    folder = None if output is None or output.suffix == ".jsonl" else output
    _check_output(source, output)
    counts = Counts()
    with _lines(output if folder is None else None) as file:
        samples = [_kept(item, file, whole=folder is not None) for item in _watched(source, extractor, counts, report)]
        _tell(source, extractor, counts, report)
        if not samples:
            raise ReasonError(f"no row of {source.path} can be graded", "; ".join(counts.named) or "it holds none")
    results = _results(source, extractor, samples, counts)
    if folder is not None:
        results["errors"] = errors(samples)
        _write_evaluation(folder, results, samples)
    return Outcome(results, counts)


def _watched(source: Source, extractor: AnswerExtractor, counts: Counts, report: Reporter) -> Iterator[Regraded]:
    """The graded rows, with a bar that moves."""
    begun = time.perf_counter()
    report.start(f"grading {source.path.name}", None)
    try:
        for item in regrade(source, extractor, counts):
            if counts.rows % EVERY == 0:
                speed = counts.rows / (time.perf_counter() - begun)
                report.update(counts.rows, {"": f"{counts.rows:,} rows, {speed:,.0f} rows/s"})
            yield item
    finally:
        report.finish()


def _kept(item: Regraded, file: TextIO | None, whole: bool) -> Sample:
    """The sample of a row, written where rows go; without its texts unless it is wanted `whole`."""
    sample = item.sample
    if file is not None:
        added = {
            "value": sample.predicted,
            "strategy": sample.strategy,
            "span": sample.span,
            "correct": sample.correct,
            "strict": sample.strict,
        }
        file.write(json.dumps({**item.row, **added}, ensure_ascii=False, default=str) + "\n")
    return sample if whole else replace(sample, question="", output="", reasoning="", span=None)


def _tell(source: Source, extractor: AnswerExtractor, counts: Counts, report: Reporter) -> None:
    """What a person should know of the rows."""
    for line in counts.named:
        report.warn(f"left out: {line}")
    if counts.bad > len(counts.named):
        report.warn(f"{counts.bad:,} of {counts.rows:,} rows are left out; these were the first {len(counts.named)}")
    if counts.passed_over:
        report.say(
            f"graded once each: the rows of lm-evaluation-harness's filter '{counts.filter}'; "
            f"{counts.passed_over:,} rows of others repeat their answers"
        )
    if has_verifier(extractor):
        report.warn(
            f"'{extractor.name}' may accept more than the gold answer where a dataset says so; "
            "in a file it has the gold answer alone"
        )


def _results(source: Source, extractor: AnswerExtractor, samples: list[Sample], counts: Counts) -> dict[str, Any]:
    before = source.results
    name = source.path.name
    said = {key: before[key] for key in KEPT if key in before} if before else {"data": {"rows": counts.rows}}
    columns = {} if before else {"text_column": source.text, "gold_column": source.gold}
    results = {
        **{"dataset": name, "checkpoint": "", "model": name.partition(".")[0], **said},
        **summarise(samples),
        "bad_rows": counts.bad,
        "settings": {**before.get("settings", {}), "extractor": extractor.name, **columns},
    }
    if "answers" in results:
        from reason_cli.engine.voting import sampling_summary

        results |= sampling_summary(samples, extractor)
    if counts.regraded:
        results["regraded"] = {
            "rows": counts.regraded,
            "newly_right": counts.newly_right,
            "newly_wrong": counts.newly_wrong,
        }
    return results


# --- what is written ---------------------------------------------------------------------------------------------


def _check_output(source: Source, output: Path | None) -> None:
    """Refuse, before the work, a place that cannot be written or that holds something."""
    if output is None:
        return
    try:
        if output.suffix == ".jsonl":
            if output.exists() and output.samefile(source.path):
                raise ReasonError(f"{output} is what is graded", "choose another --output", usage=True)
            output.parent.mkdir(parents=True, exist_ok=True)
        elif output.suffix in (".json", ".csv", ".parquet", ".gz"):
            raise ReasonError(f"graded rows are JSON lines, not {output.suffix}", "end --output in .jsonl", usage=True)
        elif output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise ReasonError(f"{output} is not empty", "choose another --output", usage=True)
        else:
            output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReasonError(f"cannot make {output}: {error.strerror}", "choose another --output") from None


@contextmanager
def _lines(path: Path | None) -> Iterator[TextIO | None]:
    """A file of lines that takes its name when it is whole; nothing for no path."""
    if path is None:
        yield None
        return
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise ReasonError(f"cannot write {path}: {error.strerror}", "choose another --output") from None
    finally:
        partial.unlink(missing_ok=True)


def _write_evaluation(folder: Path, results: Mapping[str, Any], samples: list[Sample]) -> None:
    """An evaluation as `reason eval` writes it; `results.json` comes last, when all else is there."""
    from reason_cli.engine.harness import write_harness
    from reason_cli.engine.page import write_page

    graded = Graded(results, samples, folder)
    try:
        write_harness(folder, graded)
        write_page(folder, [graded], [])
        write_graded(graded)
    except OSError as error:
        raise ReasonError(f"cannot write {folder}: {error.strerror}", "choose another --output") from None
