"""Grading a model on a dataset: prompts, answers, extraction, comparison, and a record of every sample."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reason_cli.api import AnswerExtractor, Chat, Example
from reason_cli.config import EvalOptions
from reason_cli.engine.analysis import errors
from reason_cli.engine.backends import answers_of
from reason_cli.engine.generate import Decoding, Request
from reason_cli.engine.graded import Graded, write_graded
from reason_cli.engine.grading import CUT_OFF_WARNING, NO_ANSWER_WARNING, Said, Sample, grade, summarise
from reason_cli.engine.harness import write_harness
from reason_cli.engine.hub import Unreachable
from reason_cli.engine.identity import label_of, weights_sha256
from reason_cli.engine.journal import Journal, Place, find_place, forget
from reason_cli.engine.page import write_page
from reason_cli.engine.prompts import Prompting, check_asks, draw_shots
from reason_cli.engine.reading import Loaded, load
from reason_cli.engine.report import Reporter, Silent
from reason_cli.engine.sources import Source
from reason_cli.engine.subject import Subject, fetch
from reason_cli.engine.voting import sampling_summary
from reason_cli.errors import ReasonError
from reason_cli.runs import Checkpoint

ENDLESS = 200  # questions of a dataset that has no end, when no limit is given
# Settings that change no answer and no verdict.
INDIFFERENT = ("after_training", "resume", "report", "extractor", "limit")


Wanted = Sequence[tuple[int, int, Request]]  # question, answer to it, and how it is asked for


@dataclass(frozen=True)
class Task:
    """A dataset to be graded on, where solved examples come from, and the extractor that reads the answers."""

    source: Source
    shots: Source
    extractor: AnswerExtractor

    @property
    def folder_name(self) -> str:
        name, split = self.source.spec.name, self.source.split
        stem = Path(name).stem if isinstance(self.source.place, Path) and not split else name.replace("/", "-")
        return f"{stem}-{split}" if split else stem


@dataclass(frozen=True)
class Asked:
    """What an evaluation asks: the examples, the prompt of each, and where the rows came from."""

    loaded: Loaded
    examples: Sequence[Example]
    prompts: Sequence[str]

    def requests(self, options: EvalOptions) -> Wanted:
        """(question, answer, request) for every answer that is wanted, each with random numbers of its own."""
        return [
            (n, k, Request(prompt, _seed(options.eval_seed, n, k)))
            for n, prompt in enumerate(self.prompts)
            for k in range(options.samples)
        ]


def evaluate(
    subject: Subject, task: Task, options: EvalOptions, prompting: Prompting, root: Path, report: Reporter
) -> Graded:
    """Grade `subject` on `task`, in a folder under `root`: `results.json` and `samples.jsonl`.

    Answers that the same evaluation has written before are taken over, unless `options.resume` is off.
    """
    if options.samples > 1 and not options.temperature:
        report.warn(f"at temperature 0 all {options.samples} answers to a question are the same; set --temperature")
    asked = ask(subject, task, options, prompting, report)
    settings = _settings(subject, task, options, prompting, asked.prompts)
    identity = _sha256(json.dumps([settings, asked.loaded.summary()], sort_keys=True))
    place = find_place(root, task.folder_name, identity, resume=options.resume)
    begun = time.perf_counter()
    wanted = asked.requests(options)
    written = _answer(subject, wanted, options, place, report, task.source.label)
    seconds = place.seconds + (time.perf_counter() - begun if written else 0.0)
    samples = [grade(place.said[n, k], asked.examples[n], task.extractor) for n, k, _ in wanted]
    tokens = sum(s.tokens for s in samples)
    results = {
        "identity": identity,
        "dataset": task.source.label,
        "checkpoint": subject.checkpoint,
        "model": label_of(subject.checkpoint),
        **results_of(samples, task.extractor),
        "tokens": tokens,
        "contamination": contamination(subject.trained_on, task.source.label),
        "settings": settings,
        "data": asked.loaded.summary(),
        "timing": _timing(seconds, tokens),
    }
    graded = Graded(results, samples, place.folder)
    write_graded(graded)
    forget(place)
    if options.report:
        write_harness(place.folder, graded, dict(enumerate(asked.prompts)))
        write_page(place.folder, [graded], [])
    _warn(results, report)
    return graded


def results_of(samples: Sequence[Sample], extractor: AnswerExtractor) -> dict[str, Any]:
    """The figures of graded samples: accuracy and the rates, of several answers a question the votes, the errors."""
    several = any(s.sample for s in samples)
    return {
        **summarise(samples),
        **(sampling_summary(samples, extractor) if several else {}),
        "errors": errors(samples),
    }


# --- questions -----------------------------------------------------------------------------------------------------


def ask(subject: Subject, task: Task, options: EvalOptions, prompting: Prompting, report: Reporter) -> Asked:
    """The questions of a task and how they are put to this model."""
    check_asks(prompting, subject.tokenizer, subject.checkpoint)
    loaded = load_questions(task, options, report)
    examples = [item for item in loaded.items if isinstance(item, Example)]
    put = Prompting(prompting.template, prompting.plain, _shots(task, options, report))
    return Asked(loaded, examples, [put.prompt(subject.tokenizer, e.question) for e in examples])


def _shots(task: Task, options: EvalOptions, report: Reporter) -> tuple[Example, ...]:
    """Solved examples of the split they should come from; where that cannot be had, of the rows that are asked."""
    if task.shots != task.source:
        try:
            return draw_shots(task.shots, options.shots, options.eval_seed, report)
        except Unreachable as error:
            report.warn(f"{error.message}; shots are drawn from {task.source.label}, never a question's own solution")
    # How its rows are read has just been said.
    return draw_shots(task.source, options.shots, options.eval_seed, Silent())


def load_questions(task: Task, options: EvalOptions, report: Reporter) -> Loaded:
    """The questions of a task: all, or as many as the spec's `@N` says, or else the limit.

    Raises `ReasonError` when the dataset asks nothing that can be graded (plain text, conversations).
    """
    take = task.source.spec.take or options.limit or (ENDLESS if task.source.endless else 0)
    loaded = load(task.source, take=take, seed=options.eval_seed, refuse_bad=False, report=report)
    if not all(isinstance(item, Example) for item in loaded.items):
        kind = "conversations" if any(isinstance(item, Chat) for item in loaded.items) else "plain text"
        hint = "evaluate on questions with an answer each"
        raise ReasonError(f"'{task.source.label}' is {kind} and asks nothing that can be graded", hint)
    return loaded


def _seed(seed: int, question: int, answer: int) -> int:
    digest = hashlib.sha256(f"{seed}/{question}/{answer}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


# --- answers -------------------------------------------------------------------------------------------------------


def _answer(subject: Subject, wanted: Wanted, options: EvalOptions, place: Place, report: Reporter, label: str) -> int:
    """Write the answers that are not there yet into the journal; gives how many these were."""
    missing = [(n, k, request) for n, k, request in wanted if (n, k) not in place.said]
    if len(missing) < len(wanted):
        there = len(wanted) - len(missing)
        report.say(f"{place.folder}: {there:,} of {len(wanted):,} answers are there already (--no-resume: anew)")
    if not missing:
        return 0
    journal, begun = Journal(place), time.perf_counter()
    report.start(f"answering {label}", len(wanted))
    try:
        given = answers_of(subject, [request for _, _, request in missing], Decoding.of(options))
        for done, (index, answer) in enumerate(given, len(wanted) - len(missing) + 1):
            n, k, _ = missing[index]
            spent = time.perf_counter() - begun
            journal.write(Said(n, k, answer.text, answer.tokens, answer.finished), spent)
            report.update(done, {"": f"{done / spent:.1f} answers/s"})
    finally:
        report.finish()
        journal.close()
    return len(missing)


# --- what is written down ------------------------------------------------------------------------------------------


def _settings(
    subject: Subject, task: Task, options: EvalOptions, prompting: Prompting, prompts: Sequence[str]
) -> dict[str, Any]:
    """All that another would need to get the same figures."""
    import torch
    import transformers

    written = subject.tokenizer.chat_template or ""
    return {
        **{name: value for name, value in asdict(options).items() if name not in INDIFFERENT},
        "backend": subject.backend,
        "stop": list(options.stop),
        "extractor": task.extractor.name,
        "system_prompt": prompting.template.system_prompt,
        "style": prompting.template.style,
        "reasoning": prompting.template.reasoning,
        "prefill": prompting.template.prefill,
        "precision": subject.precision.name,
        "device": str(subject.model.device),
        "weights_sha256": weights_sha256(fetch(Checkpoint.find(Path(subject.checkpoint))).path),
        "config_sha256": _sha256(_config(subject.model)),
        "prompts_sha256": _sha256("\0".join(prompts)),
        "chat_template_sha256": _sha256(written if isinstance(written, str) else json.dumps(written)),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _config(model: Any) -> str:
    """A model's config as it runs, which options of its architecture may have changed; empty where another has it."""
    config = getattr(model, "config", None)
    values = config.to_dict() if config is not None else {}
    return json.dumps({k: v for k, v in values.items() if k != "_name_or_path"}, sort_keys=True, default=str)


def _timing(seconds: float, tokens: int) -> dict[str, float]:
    return {"seconds": round(seconds, 3), "tokens_per_second": round(tokens / seconds, 1) if seconds else 0.0}


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
