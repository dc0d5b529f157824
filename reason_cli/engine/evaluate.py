"""Grading a model on a dataset: prompts, answers, extraction, comparison, and a record of every sample."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reason_cli.api import AnswerExtractor, Example
from reason_cli.config import EvalOptions
from reason_cli.engine.chat import Template, prompt_text
from reason_cli.engine.generate import Answer, Decoding, answer
from reason_cli.engine.hardware import autocast
from reason_cli.engine.reading import Loaded, load
from reason_cli.engine.report import Reporter
from reason_cli.engine.sources import Source
from reason_cli.engine.statistics import wilson
from reason_cli.engine.subject import Subject
from reason_cli.errors import ReasonError
from reason_cli.runs import write_json, write_text

ENDLESS = 200  # questions of a dataset that has no end, when no limit is given
CUT_OFF_WARNING = 0.01
NO_ANSWER_WARNING = 0.02


@dataclass(frozen=True)
class Task:
    """A dataset to be graded on, and the extractor that reads the answers."""

    source: Source
    extractor: AnswerExtractor

    @property
    def folder_name(self) -> str:
        name, split = self.source.spec.name, self.source.split
        stem = Path(name).stem if isinstance(self.source.place, Path) and not split else name.replace("/", "-")
        return f"{stem}-{split}" if split else stem


@dataclass(frozen=True)
class Sample:
    """One graded question, a line of `samples.jsonl`. `span` is where `predicted` stands in `output`."""

    id: int
    question: str
    expected: str
    predicted: str | None
    correct: bool
    strategy: str | None
    span: tuple[int, int] | None
    tokens: int
    finished: bool
    output: str
    tags: Mapping[str, str | int]


@dataclass(frozen=True)
class Evaluation:
    """The results of one task, as `results.json` holds them, and every sample."""

    results: Mapping[str, Any]
    samples: Sequence[Sample]
    folder: Path


def evaluate(
    subject: Subject, task: Task, options: EvalOptions, template: Template, folder: Path, report: Reporter
) -> Evaluation:
    """Grade `subject` on `task`; writes `results.json` and `samples.jsonl` into `folder`."""
    import torch

    loaded = load_questions(task, options, report)
    examples = [item for item in loaded.items if isinstance(item, Example)]
    prompts = [prompt_text(subject.tokenizer, e.question, template) for e in examples]
    torch.manual_seed(options.eval_seed)
    report.start(f"answering {task.source.label}", len(prompts))
    begun = time.perf_counter()
    with autocast(subject.precision, subject.model.device):
        answers = answer(subject.model, subject.tokenizer, prompts, decoding(options), _progress(report, begun))
    seconds = time.perf_counter() - begun
    report.finish()
    samples = [grade(n, e, a, task.extractor) for n, (e, a) in enumerate(zip(examples, answers, strict=True))]
    results = {
        "dataset": task.source.label,
        "checkpoint": subject.checkpoint,
        **summarise(samples),
        "tokens": sum(a.tokens for a in answers),
        "seconds": round(seconds, 2),
        "tokens_per_second": round(sum(a.tokens for a in answers) / seconds, 1),
        "contamination": contamination(subject.trained_on, task.source.label),
        "settings": _settings(subject, task, options, template, prompts),
        "data": loaded.summary(),
    }
    write_json(folder / "results.json", results)
    lines = (json.dumps(asdict(sample), ensure_ascii=False) for sample in samples)
    write_text(folder / "samples.jsonl", "".join(line + "\n" for line in lines))
    _warn(results, report)
    return Evaluation(results, samples, folder)


def load_questions(task: Task, options: EvalOptions, report: Reporter) -> Loaded:
    """The questions of a task: all, or as many as the limit or the spec's `@N` says.

    Raises `ReasonError` when the dataset asks nothing (plain text).
    """
    take = options.limit or task.source.spec.take or (ENDLESS if task.source.endless else 0)
    loaded = load(task.source, take=take, seed=options.eval_seed, refuse_bad=False, report=report)
    if not all(isinstance(item, Example) for item in loaded.items):
        raise ReasonError(f"'{task.source.label}' is plain text and asks nothing", "evaluate on questions")
    return loaded


def decoding(options: EvalOptions) -> Decoding:
    """The part of the options that says how to generate."""
    return Decoding(options.batch_size, options.max_new_tokens, options.temperature, options.top_p, options.calculator)


def _progress(report: Reporter, begun: float):
    def done(count: int) -> None:
        report.update(count, {"": f"{count / (time.perf_counter() - begun):.1f} questions/s"})

    return done


def grade(number: int, example: Example, given: Answer, extractor: AnswerExtractor) -> Sample:
    """One answer against what was expected."""
    found = extractor.extract(given.text)
    return Sample(
        id=number,
        question=example.question,
        expected=example.answer,
        predicted=found.value if found else None,
        correct=found is not None and extractor.correct(found.value, example),
        strategy=found.strategy if found else None,
        span=found.span if found else None,
        tokens=given.tokens,
        finished=given.finished,
        output=given.text,
        tags=dict(example.tags),
    )


def summarise(samples: Sequence[Sample]) -> dict[str, Any]:
    """Accuracy with its interval, the rates beside it, and accuracy by each tag."""
    n = len(samples)
    return {
        **_share(samples),
        "no_answer_rate": round(sum(s.predicted is None for s in samples) / n, 6),
        "cut_off_rate": round(sum(not s.finished for s in samples) / n, 6),
        "mean_tokens": round(sum(s.tokens for s in samples) / n, 2),
        "strategies": dict(Counter(s.strategy or "none" for s in samples).most_common()),
        "by": _by_tag(samples),
    }


def _share(samples: Sequence[Sample]) -> dict[str, Any]:
    n, correct = len(samples), sum(s.correct for s in samples)
    low, high = wilson(correct, n)
    return {"n": n, "correct": correct, "accuracy": round(correct / n, 6), "wilson95": [round(low, 6), round(high, 6)]}


def _by_tag(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    by: dict[str, dict[str, Any]] = {}
    for tag in sorted({tag for s in samples for tag in s.tags}):
        values = sorted({s.tags[tag] for s in samples if tag in s.tags}, key=lambda v: (isinstance(v, str), v))
        by[tag] = {str(v): _share([s for s in samples if s.tags.get(tag) == v]) for v in values}
    return by


def _settings(
    subject: Subject, task: Task, options: EvalOptions, template: Template, prompts: Sequence[str]
) -> dict[str, Any]:
    """All that another would need to get the same figures."""
    import torch
    import transformers

    written = subject.tokenizer.chat_template or ""
    return {
        **{k: v for k, v in asdict(options).items() if k not in ("after_training", "extractor")},
        "extractor": task.extractor.name,
        "system_prompt": template.system_prompt,
        "style": template.style,
        "precision": subject.precision.name,
        "device": str(subject.model.device),
        "prompts_sha256": _sha256("\0".join(prompts)),
        "chat_template_sha256": _sha256(written if isinstance(written, str) else json.dumps(written)),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def contamination(trained_on: Sequence[Mapping[str, Any]], label: str) -> int | None:
    """Rows that were trained on and hold a test question of `label`; `None` where nobody looked."""
    if not trained_on or not all(label in part.get("searched_for", ()) for part in trained_on):
        return None
    rows = (sum(part["contaminated"].get(label, {}).values()) for part in trained_on if not part["dropped"])
    return sum(rows)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _warn(results: Mapping[str, Any], report: Reporter) -> None:
    if results["contamination"]:
        report.warn(
            f"contaminated: the model was trained on {results['contamination']:,} rows that hold test questions of "
            f"{results['dataset']}; this accuracy says nothing about new ones"
        )
    if results["cut_off_rate"] > CUT_OFF_WARNING:
        report.warn(
            f"{results['cut_off_rate']:.1%} of the answers hit the limit of "
            f"{results['settings']['max_new_tokens']} tokens; raise --max-new-tokens if they were still reasoning"
        )
    if results["no_answer_rate"] > NO_ANSWER_WARNING:
        extractor = results["settings"]["extractor"]
        report.warn(f"{results['no_answer_rate']:.1%} of the outputs hold no answer that '{extractor}' can read")
