"""The harness's files: its keys, its two filters on our outputs, and one set of files however often it is written."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace

import pytest
from support import read_lines

from reason_cli.engine.graded import Graded
from reason_cli.engine.grading import Sample
from reason_cli.engine.harness import exact_match, flexible_extract, strict_match, write_harness

# What `lm_eval` 0.4.13 itself gives for these, by its RegexFilter.
FILTERED = [
    ("so 6 * 3 = 18\n#### 18", "18", "18"),
    ("#### 1,234.50 and #### 7", "1,234.50", "7"),
    ("#### -5.", "-5.", "-5."),
    ("#### $40", "[invalid]", "$40"),
    ("####18", "[invalid]", "18"),
    ("##### 18", "18", "18"),
    ("it costs $1,000.", "[invalid]", "$1,000."),
    ("**Final Answer:** 9", "[invalid]", "9"),
    ("nothing at all...", "[invalid]", "..."),
    ("nothing", "[invalid]", "[invalid]"),
    ("#### ", "[invalid]", "[invalid]"),
    ("", "[invalid]", "[invalid]"),
]


@pytest.mark.parametrize(("text", "strict", "flexible"), FILTERED)
def test_the_filters_are_the_harness_own(text, strict, flexible):
    assert (strict_match(text), flexible_extract(text)) == (strict, flexible)


@pytest.mark.parametrize(
    ("predicted", "target", "same"),
    [
        ("18", "first 3 * 6 = 18\n#### 18", True),
        ("1,000", "#### 1000", True),
        ("$1,000.", "#### 1000", True),
        ("1000.0", "#### 1000", False),
        ("18", "#### 8", False),
        ("x = #### 8", "#### 8", True),
        ("[INVALID]", "[invalid]", True),
        ("8..", "#### 8", False),
        ("8", "#### 7\n#### 8", True),
    ],
)
def test_exact_match_is_the_harness_own(predicted, target, same):
    assert exact_match(predicted, target) is same


def sample(id, output, expected, **more):
    predicted = output.split()[-1].strip(".") if output else None
    right = predicted == expected
    made = Sample(
        id, 0, f"question {id}?", expected, predicted, right, right and "####" in output, "last", None, 5, True, output,
        "one, two", {},
    )  # fmt: skip
    return replace(made, **more)


SETTINGS = {"extractor": "number", "temperature": 0.0, "top_p": 1.0, "max_new_tokens": 64, "stop": [], "shots": 2,
            "samples": 1, "template": "", "eval_seed": 7, "chat_template_sha256": "abc", "batch_size": 4}  # fmt: skip


def graded(folder, answers, **settings):
    results = {
        "dataset": "gsm8k:test", "checkpoint": "run/final", "model": "owner/model", "n": len({s.id for s in answers}),
        "correct": 0, "settings": SETTINGS | settings, "data": {"sha256": "d1"}, "timing": {"seconds": 1.5},
    }  # fmt: skip
    return Graded(results, answers, folder)


def written(folder):
    """The one results file, and the rows of the one samples file, with the two names' dates."""
    (results,), (rows,) = folder.glob("lm-eval/results_*.json"), folder.glob("lm-eval/samples_*.jsonl")
    assert results.stem.removeprefix("results_") == rows.stem.rpartition("_")[2]
    return json.loads(results.read_text()), read_lines(rows), rows.name


SAMPLES = [
    sample(0, "2 + 2\n#### 4", "4"),
    sample(1, "it is 5.", "5"),
    sample(2, "#### 7 no wait 8", "7"),
    sample(3, "", "1"),
]


def test_the_scores_of_each_filter(tmp_path):
    write_harness(tmp_path, graded(tmp_path, SAMPLES))
    results, _, name = written(tmp_path)
    assert name.startswith("samples_gsm8k_test_")
    found = results["results"]["gsm8k_test"]
    assert {key: found[key] for key in ("name", "alias", "sample_len")} == {
        "name": "gsm8k_test", "alias": "gsm8k:test", "sample_len": 4,
    }  # fmt: skip
    flags = {"strict-match": [1, 0, 1, 0], "flexible-extract": [1, 1, 0, 0], "reason": [1, 1, 0, 0],
             "reason-strict": [1, 0, 0, 0]}  # fmt: skip
    for filter, right in flags.items():
        assert found[f"exact_match,{filter}"] == sum(right) / 4, filter
        assert found[f"exact_match_stderr,{filter}"] == pytest.approx(statistics.stdev(right) / 2), filter
    assert len(found) == 3 + 2 * len(flags)


def test_the_keys_are_those_of_the_harness(tmp_path):
    write_harness(tmp_path, graded(tmp_path, SAMPLES))
    results, rows, _ = written(tmp_path)
    # Those that lm_eval 0.4.13 writes of a generation task on a local file.
    assert set(results) == {
        "results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "config",
        "git_hash", "date", "pretty_env_info", "transformers_version", "lm_eval_version", "upper_git_hash",
        "task_hashes", "model_source", "model_name", "model_name_sanitized", "system_instruction",
        "system_instruction_sha", "fewshot_as_multiturn", "chat_template", "chat_template_sha",
        "total_evaluation_time_seconds",
    }  # fmt: skip
    assert set(results["config"]) == {
        "model", "model_args", "batch_size", "batch_sizes", "device", "use_cache", "limit", "bootstrap_iters",
        "gen_kwargs", "random_seed", "numpy_seed", "torch_seed", "fewshot_seed",
    }  # fmt: skip
    for row in rows:
        assert set(row) == {
            "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash",
            "prompt_hash", "target_hash", "exact_match",
        }  # fmt: skip
    assert results["n-shot"] == {"gsm8k_test": 2} and results["n-samples"]["gsm8k_test"]["effective"] == 4
    assert results["model_name_sanitized"] == "owner__model"
    assert results["config"]["fewshot_seed"] == 7 and results["chat_template_sha"] == "abc"
    assert results["fewshot_as_multiturn"] is True
    filters = [f["name"] for f in results["configs"]["gsm8k_test"]["filter_list"]]
    assert filters == list(dict.fromkeys(row["filter"] for row in rows))


def test_a_row_for_every_question_and_filter(tmp_path):
    write_harness(tmp_path, graded(tmp_path, SAMPLES), {0: "the prompt of 0"})
    _, rows, _ = written(tmp_path)
    assert [(row["filter"], row["doc_id"]) for row in rows] == [
        (name, id) for name in ("strict-match", "flexible-extract", "reason", "reason-strict") for id in range(4)
    ]
    first, other = rows[0], rows[1]
    assert first["doc"] == {"question": "question 0?", "answer": "one, two\n#### 4"} and first["target"].endswith(" 4")
    assert first["arguments"]["gen_args_0"]["arg_0"] == "the prompt of 0"
    assert other["arguments"]["gen_args_0"]["arg_0"] == "question 1?"
    assert first["arguments"]["gen_args_0"]["arg_1"]["max_gen_toks"] == 64
    assert (first["resps"], first["filtered_resps"], first["exact_match"]) == ([["2 + 2\n#### 4"]], ["4"], 1.0)
    assert len({row["prompt_hash"] for row in rows}) == 4
    assert rows[11]["filtered_resps"] == ["[invalid]"] and rows[11]["filter"] == "reason"


def test_several_answers_to_a_question(tmp_path):
    several = [
        sample(0, "#### 4", "4", sample=1),
        sample(0, "#### 5", "4", sample=0),
        sample(1, "#### 1", "1"),
        sample(1, "#### 1", "1", sample=1),
    ]
    write_harness(tmp_path, graded(tmp_path, several, samples=2, temperature=0.8))
    results, rows, _ = written(tmp_path)
    found = results["results"]["gsm8k_test"]
    assert found["exact_match,strict-match"] == 0.5, "the first answer"
    assert found["exact_match,reason"] == 0.75, "the share of the answers"
    assert rows[0]["resps"] == [["#### 5", "#### 4"]] and rows[0]["filtered_resps"] == ["5"]
    assert results["configs"]["gsm8k_test"]["repeats"] == 2
    assert results["config"]["gen_kwargs"]["do_sample"] is True


def test_one_question_has_no_standard_error(tmp_path):
    write_harness(tmp_path, graded(tmp_path, SAMPLES[:1]))
    assert written(tmp_path)[0]["results"]["gsm8k_test"]["exact_match_stderr,reason"] == "N/A"


def test_what_another_tool_said_has_no_settings(tmp_path):
    bare = graded(tmp_path, SAMPLES)
    write_harness(tmp_path, Graded({**bare.results, "settings": {}, "checkpoint": ""}, SAMPLES, tmp_path))
    results, rows, _ = written(tmp_path)
    assert results["config"]["gen_kwargs"] == {} == rows[0]["arguments"]["gen_args_0"]["arg_1"]


def test_writing_again_leaves_one_evaluation(tmp_path):
    write_harness(tmp_path, graded(tmp_path, SAMPLES))
    before = written(tmp_path)[2]
    write_harness(tmp_path, graded(tmp_path, SAMPLES[:2]))
    results, rows, name = written(tmp_path)
    assert results["results"]["gsm8k_test"]["sample_len"] == 2 and len(rows) == 8 and name != before
