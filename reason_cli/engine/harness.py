"""An evaluation in the files of EleutherAI's lm-evaluation-harness 0.4, `results_DATE.json`, `samples_TASK_DATE.jsonl`.

Its viewers read them, and its two ways to read a GSM8K answer (`strict-match`, `flexible-extract`) stand beside ours
(`reason`, `reason-strict`), on the same outputs. Generates nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.engine.grading import Sample, by_question
from reason_cli.runs import write_json, write_text

if TYPE_CHECKING:
    from reason_cli.engine.graded import Graded

FOLDER = "lm-eval"
INVALID = "[invalid]"  # the harness's word for no answer
MARK = "#### "
STRICT = r"#### (\-?[0-9\.\,]+)"
FLEXIBLE = r"(-?[$0-9.,]{2,})|(-?[0-9]+)"
IGNORED = (",", r"\$", f"(?s).*{MARK}", r"\.$")  # what its exact match of GSM8K leaves out of both sides
TAKE_FIRST = {"function": "take_first"}  # of several answers to a question


@dataclass(frozen=True)
class Filter:
    """A way to read and score the answers to a question; `steps` is what the task's configuration says of it."""

    name: str
    steps: Sequence[Mapping[str, Any]]
    read: Callable[[Sequence[Sample]], list[str]]
    score: Callable[[Sequence[Sample]], float]


def strict_match(text: str) -> str:
    """The number after the first `####`, as it is written, or `[invalid]`."""
    found = re.search(STRICT, text)
    return found[1] if found else INVALID


def flexible_extract(text: str) -> str:
    """The last run of digits, commas, full stops and dollar signs, or `[invalid]`."""
    found = deque(re.finditer(FLEXIBLE, text), maxlen=1)
    return found[0][0] if found else INVALID


def exact_match(predicted: str, target: str) -> bool:
    """Whether two texts are the same without commas, dollar signs, all up to the last `####`, and a final full stop."""
    return _normal(predicted) == _normal(target)


def _normal(text: str) -> str:
    text = text.replace(",", "").replace("$", "")
    return re.sub(r"\.$", "", text.rpartition(MARK)[2]).lower()


def write_harness(folder: Path, graded: Graded, prompts: Mapping[int, str] | None = None) -> None:
    """Write `folder/lm-eval`, in place of what was there; `prompts` are the texts that were asked, by question's id.

    Where no prompt is known (outputs of another tool) the question stands in its place. `reason` and `reason-strict`
    score a question by the share of its right answers; the harness's own filters take its first answer.
    """
    task = re.sub(r"\W", "_", str(graded.results["dataset"]))
    rows = list(_rows(graded, prompts or {}))
    into = folder / FOLDER
    for old in (*into.glob("results_*.json"), *into.glob("samples_*.jsonl")):
        old.unlink()
    date = datetime.now().isoformat().replace(":", "-")
    write_text(into / f"samples_{task}_{date}.jsonl", "".join(_line(row) for row in rows))
    write_json(into / f"results_{date}.json", _results(task, graded, rows))


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _filters(settings: Mapping[str, Any]) -> list[Filter]:
    extractor = str(settings.get("extractor", ""))

    def said(samples: Sequence[Sample]) -> list[str]:
        return [INVALID if s.predicted is None else s.predicted for s in samples]

    strict, flexible = {"function": "regex", "regex_pattern": STRICT}, {"function": "regex", "regex_pattern": FLEXIBLE}
    return [
        _of_the_harness("strict-match", [strict, TAKE_FIRST], strict_match),
        _of_the_harness("flexible-extract", [flexible | {"group_select": -1}, TAKE_FIRST], flexible_extract),
        Filter("reason", [{"function": extractor}], said, lambda samples: _mean([s.correct for s in samples])),
        Filter("reason-strict", [{"function": extractor}], said, lambda samples: _mean([s.strict for s in samples])),
    ]


def _of_the_harness(name: str, steps: Sequence[Mapping[str, Any]], extract: Callable[[str], str]) -> Filter:
    def score(samples: Sequence[Sample]) -> float:
        return float(exact_match(extract(samples[0].output), _target(samples[0])))

    return Filter(name, steps, lambda samples: [extract(samples[0].output)], score)


def _target(sample: Sample) -> str:
    """The solution as GSM8K writes it."""
    return f"{sample.reasoning}\n{MARK}{sample.expected}" if sample.reasoning else MARK + sample.expected


# --- samples ---------------------------------------------------------------------------------------------


def _rows(graded: Graded, prompts: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    """A row for each filter and question, the filters in turn."""
    settings = graded.results["settings"]
    generation = _generation(settings)
    groups = by_question(graded.samples)
    for filter in _filters(settings):
        for id, group in groups.items():
            samples = sorted(group, key=lambda s: s.sample)
            doc = {"question": samples[0].question, "answer": _target(samples[0])}
            prompt = prompts.get(id, samples[0].question)
            yield {
                "doc_id": id,
                "doc": doc,
                "target": doc["answer"],
                "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": generation}},
                "resps": [[s.output for s in samples]],
                "filtered_resps": filter.read(samples),
                "filter": filter.name,
                "metrics": ["exact_match"],
                "doc_hash": _sha256(json.dumps(doc, indent=2, ensure_ascii=False)),
                "prompt_hash": _sha256(prompt),
                "target_hash": _sha256(doc["answer"]),
                "exact_match": filter.score(samples),
            }


def _generation(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The harness's words for how the answers were generated; nothing where that is not known."""
    if "temperature" not in settings:
        return {}
    temperature = float(settings["temperature"])
    return {
        "until": list(settings.get("stop", ())),
        "do_sample": temperature > 0,
        "temperature": temperature,
        "top_p": settings.get("top_p", 1.0),
        "max_gen_toks": settings.get("max_new_tokens"),
    }


# --- results ---------------------------------------------------------------------------------------------


def _results(task: str, graded: Graded, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from reason_cli import __version__

    results, settings = graded.results, graded.results["settings"]
    n, system = results["n"], settings.get("system_prompt") or None
    shots = settings.get("shots", 0)
    return {
        "results": {task: {"name": task, "alias": results["dataset"], "sample_len": n, **_scores(rows)}},
        "group_subtasks": {},
        "configs": {task: _task_config(task, graded)},
        "versions": {task: __version__},
        "n-shot": {task: shots},
        "higher_is_better": {task: {"exact_match": True}},
        "n-samples": {task: {"original": n, "effective": n}},
        "config": _run_config(results, settings),
        "git_hash": None,
        "date": time.time(),
        "pretty_env_info": f"reason {__version__}, torch {settings.get('torch')}, on {settings.get('device')}",
        "transformers_version": settings.get("transformers"),
        "lm_eval_version": None,  # it was not the harness that ran
        "upper_git_hash": None,
        "task_hashes": {task: _sha256("".join(r["doc_hash"] + r["prompt_hash"] + r["target_hash"] for r in rows))},
        "model_source": "reason",
        "model_name": graded.label,
        "model_name_sanitized": re.sub(r"[\"<>:/|\\?*\[\]]+", "__", graded.label),
        "system_instruction": system,
        "system_instruction_sha": _sha256(system) if system else None,
        "fewshot_as_multiturn": bool(shots) and not settings.get("template"),
        "chat_template": None,  # in the checkpoint
        "chat_template_sha": None if settings.get("template") else settings.get("chat_template_sha256"),
        "total_evaluation_time_seconds": str(results.get("timing", {}).get("seconds", "")),
    }


def _scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and standard error (of the sample, n - 1) for each filter; one question has no error."""
    by_filter: dict[str, list[float]] = {}
    for row in rows:
        by_filter.setdefault(row["filter"], []).append(row["exact_match"])
    scores: dict[str, Any] = {}
    for name, values in by_filter.items():
        error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else "N/A"
        scores |= {f"exact_match,{name}": _mean(values), f"exact_match_stderr,{name}": error}
    return scores


def _task_config(task: str, graded: Graded) -> dict[str, Any]:
    settings = graded.results["settings"]
    metric = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True}
    return {
        "task": task,
        "dataset_path": graded.results["dataset"],
        "doc_to_text": settings.get("template") or "{{question}}",
        "doc_to_target": "{{answer}}",
        "description": settings.get("system_prompt", ""),
        "target_delimiter": " ",
        "fewshot_delimiter": "\n\n",
        "num_fewshot": settings.get("shots", 0),
        "metric_list": [metric | {"ignore_punctuation": False, "regexes_to_ignore": list(IGNORED)}],
        "output_type": "generate_until",
        "generation_kwargs": _generation(settings),
        "repeats": settings.get("samples", 1),
        "filter_list": [{"name": f.name, "filter": list(f.steps)} for f in _filters(settings)],
        "should_decontaminate": False,
        "metadata": {"version": graded.results.get("data", {}).get("sha256")},
    }


def _run_config(results: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": "reason",
        "model_args": {"pretrained": results["checkpoint"], "dtype": settings.get("precision")},
        "batch_size": settings.get("batch_size"),
        "batch_sizes": [],
        "device": settings.get("device"),
        "use_cache": None,
        "limit": settings.get("limit") or None,
        "bootstrap_iters": 0,
        "gen_kwargs": _generation(settings),
        **dict.fromkeys(("random_seed", "numpy_seed", "torch_seed", "fewshot_seed"), settings.get("eval_seed")),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
