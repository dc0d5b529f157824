"""`train.method`: answers graded as `reason eval` grades them (grpo), preferences (dpo), and what is refused."""

from __future__ import annotations

import math
import shutil
import sys

import pytest
from support import TINY, read_lines, run, weights, write_rows

from reason_cli.api import Example
from reason_cli.config import GrpoOptions
from reason_cli.engine import evaluate, rewards
from reason_cli.engine.grading import Said, grade
from reason_cli.engine.rewards import Rewards
from reason_cli.runs import Run, is_complete

pytest.importorskip("trl", reason="needs the extra 'rl'")
pytestmark = pytest.mark.usefixtures("tiny")

GRPO = (
    *("--method", "grpo", "--set", "grpo.num_generations=4", "--set", "grpo.max_completion_length=24"),
    *("--dataset", "additions@40", "--learning-rate", "1e-3"),
)


def learn(output, earlier, *more, steps=2):
    """A few steps with a method on a CPU, from the weights of `earlier`."""
    given = ("--init-from", earlier) if earlier else ()
    schedule = ("--max-steps", steps, "--save-steps", 1, "--eval-steps", steps)
    return run("train", *TINY[2:], *schedule, *given, "--output", output, *more)


def test_the_reward_is_the_verdict_of_an_evaluation():
    """The same function, and the same extractor object, as `reason eval` asks."""
    from reason_cli.cli import jobs, options
    from reason_cli.config import Layer, resolve
    from reason_cli.plugins import build_switchboard

    assert rewards.grade is evaluate.grade
    board = build_switchboard()
    choice = board.architecture("tiny-llama")
    schema = options.core_schema(board, choice.architecture.Options)
    for dataset in ("additions", "gsm-symbolic", "word-problems"):
        settings = resolve(schema, [Layer("test", {"data.dataset": dataset})])
        [task] = jobs.tasks(board, settings, (dataset,))
        assert jobs.train_job(board, settings, choice).extractor is task.extractor


TEXTS = ("**Final Answer:** 12", "so it is 12", "**Final Answer:** 13", "no idea", "", "#### 12.0")


def test_rewards_are_what_an_evaluation_says_of_the_same_texts():
    from reason_cli.plugins import build_switchboard

    extractor = build_switchboard().extractor("number")
    examples = [Example("one?", "", "1"), Example("5 + 7?", "", "12")]
    made = Rewards(examples, extractor, GrpoOptions(max_completion_length=10))
    graded = [grade(Said(1, 0, text, 0, True), examples[1], extractor) for text in TEXTS]
    rows = [1] * len(TEXTS)
    assert made.correct(completions=TEXTS, row=rows) == [float(sample.correct) for sample in graded]
    assert made.correct(completions=TEXTS, row=rows) == [1, 1, 0, 0, 0, 1]
    both = [right * marked for right, marked in zip(made.correct(TEXTS, rows), made.format(TEXTS, rows), strict=True)]
    assert both == [float(sample.strict) for sample in graded]
    assert made.format(completions=TEXTS, row=rows) == [1, 0, 1, 0, 0, 1]
    assert made.length(completion_ids=[[1] * 10, [1] * 5, [1]]) == [0.0, 0.5, 0.9]


@pytest.fixture(scope="module")
def reinforced(trained, tmp_path_factory):
    """A finished run of four steps of GRPO, near to the model it began with."""
    from support import TINY_PLUGIN, Site

    folder = tmp_path_factory.mktemp("reinforced")
    with pytest.MonkeyPatch.context() as patch:
        place = Site(folder / "site", patch)
        place.add("tiny", TINY_PLUGIN)
        more = ("--set", "grpo.beta=0.05", "--set", "grpo.length_weight=0.1", "--eval-accuracy", 3)
        result = learn(folder / "run", trained[0], *GRPO, *more, steps=4).ok()
        place.close()
    return folder / "run", result


def test_a_run_of_grpo_is_a_run_like_any_other(reinforced, trained):
    path, result = reinforced
    record = Run(path).read_record()
    assert record["train"]["method"] == "grpo"
    assert record["grpo"]["beta"] == 0.05
    assert record["run"]["training_rows"] == 36
    assert record["run"]["init_from"]["checkpoint"] == str(trained[0] / "final")
    lines = [line for line in read_lines(path / "metrics.jsonl") if "reward" in line]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    for line in lines:
        parts = [line[f"rewards/{part}/mean"] for part in ("correct", "format", "length")]
        assert math.isclose(line["reward"], parts[0] + 0.1 * parts[1] + 0.1 * parts[2], abs_tol=1e-5)
        assert 0 <= parts[2] <= 1
        assert 1 <= line["completions/mean_length"] <= 24
        assert line["tokens_per_second"] > 0
    assert abs(lines[0]["kl"]) < 1e-5 < lines[-1]["kl"], "at first it is the model that it stays near to"
    assert [line["eval_accuracy"] for line in read_lines(path / "metrics.jsonl") if "eval_accuracy" in line]
    assert list((path / "tensorboard").iterdir())
    checkpoints = sorted((path / "checkpoints").iterdir())
    assert [c.name for c in checkpoints] == ["checkpoint-2", "checkpoint-3", "checkpoint-4"]
    assert all(is_complete(c) for c in checkpoints)
    before, after = weights(trained[0] / "final"), weights(path / "final")
    assert any((before[name] != after[name]).any() for name in before)
    assert "sample 1" in result.err
    assert "reason eval additions" in result.out


def test_what_grpo_trained_is_evaluated_like_any_other(reinforced):
    results = run(
        "eval", "additions@5", "--no-report", "--checkpoint", reinforced[0], "--max-new-tokens", 8, "--json"
    ).json()
    assert results[0]["n"] == 5


def test_a_resumed_run_of_grpo_ends_with_the_same_weights(reinforced, tmp_path):
    path = shutil.copytree(reinforced[0], tmp_path / "run")
    for folder in (path / "final", *(path / "checkpoints" / f"checkpoint-{step}" for step in (3, 4))):
        shutil.rmtree(folder)
    run("train", "--resume", path).ok()
    whole, parts = weights(reinforced[0] / "final"), weights(path / "final")
    assert all((whole[name] == parts[name]).all() for name in whole)
    whole, parts = (_rewards(folder) for folder in (reinforced[0], path))
    assert whole == parts


def _rewards(path):
    return [
        (line["step"], line["reward"], line["kl"]) for line in read_lines(path / "metrics.jsonl") if "reward" in line
    ]


def test_a_run_of_grpo_without_a_validation_only_shows_figures(trained, tmp_path):
    result = learn(tmp_path / "run", trained[0], *GRPO, "--validation-split", 0, steps=1).ok()
    assert "sample 1" not in result.err


PREFERRED = [
    {"prompt": f"{a} + {a + 1}?", "chosen": f"It is {2 * a + 1}.", "rejected": f"It is {2 * a}."} for a in range(20)
]


def test_a_run_of_dpo_prefers_what_is_preferred(trained, tmp_path):
    rows = write_rows(tmp_path / "pairs.jsonl", [*PREFERRED, {"prompt": "?", "chosen": "a", "rejected": "a"}])
    more = ("--method", "dpo", "--dataset", rows, "--learning-rate", "1e-3")
    learn(tmp_path / "run", trained[0], *more, steps=8).ok()
    lines = [line for line in read_lines(tmp_path / "run" / "metrics.jsonl") if "loss" in line]
    assert math.isclose(lines[0]["loss"], math.log(2), abs_tol=1e-4), "at first both replies are as near as they were"
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["rewards/margins"] > 0
    assert [line["eval_loss"] for line in read_lines(tmp_path / "run" / "metrics.jsonl") if "eval_loss" in line]
    record = Run(tmp_path / "run").read_record()
    assert record["run"]["training_rows"] == 18
    assert record["run"]["held_out_rows"] == 2
    assert record["run"]["data"][0]["bad_rows"] == 1
    assert all(is_complete(c) for c in (tmp_path / "run" / "checkpoints").iterdir())
    run("train", "--resume", tmp_path / "run", "--max-steps", 9).ok()


def test_conversations_are_preferences_too():
    from support import Said as Told

    from reason_cli.config import DpoOptions
    from reason_cli.engine.chat import Template
    from reason_cli.engine.preferences import Preferences, encoded
    from reason_cli.engine.tokens import Encoder
    from reason_cli.testing import byte_tokenizer

    turns = [{"role": "user", "content": "2?"}, {"role": "assistant", "content": "two"}]
    row = {"question": "2?", "better": turns, "rejected": [*turns[:-1], {"role": "assistant", "content": "five"}]}
    reader = Preferences()
    options = reader.fit([row], DpoOptions(chosen="better"))
    tokenizer = byte_tokenizer()
    told = Told()
    pairs = encoded(Encoder(tokenizer, Template(), 64), [reader.format(row, options)], refuse_long=True, report=told)
    [ids] = pairs.rows
    assert tokenizer.decode(ids["prompt_ids"]).endswith("2?<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer.decode(ids["chosen_ids"]) == "two<|im_end|>"
    assert tokenizer.decode(ids["rejected_ids"]) == "five<|im_end|>"
    assert encoded(Encoder(tokenizer, Template(), 50), [], refuse_long=True, report=told).rows == []


CONFLICTS = [
    ((*GRPO, "--no-init"), "train.method grpo begins with a trained model; name a run or a folder with --init-from"),
    ((*GRPO, "--nproc", 2), "train.method grpo trains in one process; leave --nproc out"),
    ((*GRPO, "--no-init", "--arch", "trm-puzzle"), "'trm-puzzle' writes no text, as grpo needs"),
    ((*GRPO, "--compile"), "train.compile true: grpo is not compiled"),
    ((*GRPO, "--parallel", "fsdp"), "train.parallel fsdp: grpo trains in one process"),
    ((*GRPO, "--packing", "all"), "data.packing all: grpo has one row for each question"),
    ((*GRPO, "--streaming", "on"), "data.streaming on: grpo reads all its rows first"),
    ((*GRPO, "--vram", "8gb"), "hardware.vram: no memory is planned for grpo"),
    ((*GRPO, "--load-best", "loss"), "train.load_best loss: grpo has no validation loss; there is 'accuracy'"),
    ((*GRPO, "--set", "grpo.num_generations=3"), "grpo.num_generations 3 does not divide the 8 answers of a step"),
    ((*GRPO, "--set", "dpo.beta=0.5"), "dpo.beta is for train.method dpo, and this is grpo (command line)"),
    (("--set", "grpo.beta=0.5"), "grpo.beta is for train.method grpo, and this is sft (command line)"),
    ((*GRPO, "--dataset", "gsm8k", "--dataset", "math"), "the datasets are graded by several extractors: number, math"),
    (("--method", "dpo", "--eval-accuracy", 5), "train.eval_accuracy: dpo grades no answers"),
    (("--method", "dpo", "--load-best", "accuracy"), "train.load_best accuracy: dpo grades no answers"),
]


@pytest.mark.parametrize(("arguments", "says"), CONFLICTS, ids=[says[:40] for _, says in CONFLICTS])
def test_what_a_method_cannot_do_is_one_line(trained, tmp_path, arguments, says):
    begin = None if "--no-init" in arguments else trained[0]
    result = learn(tmp_path / "run", begin, *(a for a in arguments if a != "--no-init"))
    assert says in result.error_line
    assert result.code == 2
    assert not (tmp_path / "run").exists()


def test_rows_that_a_method_cannot_learn_from_are_one_line(trained, tmp_path):
    rows = write_rows(tmp_path / "rows.jsonl", [{"question": "1 + 1?", "answer": "2"}] * 3)
    assert "no column 'chosen' to prefer by" in _last(
        learn(tmp_path / "a", trained[0], "--method", "dpo", "--dataset", rows)
    )
    made = learn(tmp_path / "b", trained[0], "--method", "dpo", "--dataset", "additions@5")
    assert "'additions:train' is made on the spot and has no preferences" in _last(made)
    (tmp_path / "notes.txt").write_text("Nothing is asked here.")
    texts = learn(tmp_path / "c", trained[0], *GRPO, "--dataset", tmp_path / "notes.txt")
    assert "are no questions with an answer" in _last(texts)
    long = learn(tmp_path / "d", trained[0], *GRPO, "--set", "grpo.max_completion_length=100", "--too-long", "refuse")
    assert "leave no room for 100 tokens within model.max_seq_len 128" in _last(long)


def _last(result):
    assert result.code and "Traceback" not in result.err
    return result.err.splitlines()[-1]


def test_without_trl_one_line_names_the_extra(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trl", None)
    result = learn(tmp_path / "run", trained[0], *GRPO)
    assert result.error_line == (
        'error: train.method grpo needs TRL, which is not installed; pip install "reason-cli[rl]"'
    )


def test_trl_is_not_imported_for_solutions(trained, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name == "trl" or name.startswith("trl.")]:
        monkeypatch.delitem(sys.modules, name)
    learn(tmp_path / "run", trained[0], "--dataset", "additions@20", steps=1).ok()
    assert "trl" not in sys.modules


@pytest.mark.parametrize("arch", ["mamba", "hybrid"])
def test_recurrent_models_learn_from_their_answers(arch, tmp_path):
    sizes = {"d_model": 32, "n_layer": 1, "max_seq_len": 128, **({"n_head": 2} if arch == "hybrid" else {})}
    small = [part for key, value in sizes.items() for part in ("--set", f"model.{key}={value}")]
    sums = ("--dataset", "additions@40", "--tokenizer", "bytes", "--max-steps", 1)
    run("train", "--arch", arch, *small, *TINY[2:], *sums, "--output", tmp_path / "first").ok()
    more = ("--set", "grpo.beta=0.1", "--set", "grpo.format_weight=0", "--set", "grpo.length_weight=1")
    learn(tmp_path / "run", tmp_path / "first", *GRPO, *more).ok()
    lines = [line for line in read_lines(tmp_path / "run" / "metrics.jsonl") if "reward" in line]
    assert len(lines) == 2
    assert abs(lines[0]["kl"]) < 1e-5, "dropout is off, and padding on the left changes nothing"


def test_an_adapter_on_any_base_learns_from_its_answers(trained, tmp_path):
    adapter = ("--arch", "qlora", "--set", f"model.base={trained[0] / 'final'}", "--set", "model.quantization=none")
    more = ("--set", "model.max_seq_len=128", "--set", "grpo.beta=0.1", "--set", "grpo.length_weight=1")
    learn(tmp_path / "run", None, *adapter, *GRPO, *more, steps=3).ok()
    lines = [line for line in read_lines(tmp_path / "run" / "metrics.jsonl") if "reward" in line]
    assert abs(lines[0]["kl"]) < 1e-5 < abs(lines[2]["kl"])
    assert (tmp_path / "run" / "final" / "adapter_model.safetensors").is_file()
    learn(tmp_path / "more", tmp_path / "run", "--method", "dpo", "--dataset", _pairs(tmp_path), steps=2).ok()
    lines = [line for line in read_lines(tmp_path / "more" / "metrics.jsonl") if "grad_norm" in line]
    assert lines and all(line["grad_norm"] > 0 for line in lines)


def _pairs(folder):
    return write_rows(folder / "pairs.jsonl", PREFERRED)
