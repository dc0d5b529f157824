"""A checkpoint under lm-evaluation-harness and under `reason eval`: the same prompts, the same answers?

    python benchmarks/lm_eval_parity.py runs/mine --lm-eval-python /tmp/lmeval/bin/python

The harness runs its `hf` model on its `gsm8k` task, read from local files, with an interpreter in which `lm_eval` is
installed and this project need not be. Questions are those of REASON_DATA/gsm8k, or with `--made` word problems in
GSM8K's columns, which a small model can solve. Three ways to ask:

    chat   the question in the checkpoint's chat template (`--apply_chat_template`)
    plain  `Question: ... Answer:`, as the harness's task has it
    shots  the same after two solved examples, the ones that `reason eval` draws

Stock Mamba under the left padding of a batch answers as it does alone, since the harness passes the mask; at 1e-5 of
a logit, a tie may fall the other way (`--batch-size 1`).

Prints for each the share of right answers by the harness's strict filter on both sides, and how many prompts and
outputs are the same; then the first outputs that differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reason_datasets.word_problems import WordProblems, WordProblemsOptions
from rich.console import Console
from rich.table import Table

from reason_cli.engine.harness import FLEXIBLE, IGNORED, STRICT
from reason_cli.runs import Checkpoint

STOP = ("Question:", "</s>", "<|im_end|>")  # the task's own
PLAIN = "Question: {question}\\nAnswer:"
SHOTS = 2
SHOWN = 3  # outputs that differ


@dataclass(frozen=True)
class Side:
    """What one of the two said: prompts, outputs and verdicts of its strict filter by question, and its accuracy."""

    prompts: dict[int, str]
    outputs: dict[int, str]
    right: dict[int, bool]
    accuracy: float

    @classmethod
    def read(cls, folder: Path) -> Side:
        """From the results and samples below a folder, in the harness's schema."""
        (results,), (samples,) = folder.rglob("results_*.json"), folder.rglob("samples_*.jsonl")
        (task,) = json.loads(results.read_text(encoding="utf-8"))["results"].values()
        rows = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
        strict = [row for row in rows if row["filter"] == "strict-match"]
        return cls(
            {row["doc_id"]: row["arguments"]["gen_args_0"]["arg_0"] for row in strict},
            {row["doc_id"]: row["resps"][0][0] for row in strict},
            {row["doc_id"]: bool(row["exact_match"]) for row in strict},
            task["exact_match,strict-match"],
        )


def make_rows(folder: Path, count: int) -> None:
    """Word problems as `gsm8k/train.jsonl` and `gsm8k/test.jsonl`: one solved example to spare in the former."""
    for split, rows in (("train", SHOTS + 1), ("test", count)):
        made = (WordProblems().format(row, WordProblemsOptions()) for row in stories(split))
        texts = [{"question": e.question, "answer": f"{e.reasoning}\n#### {e.answer}"} for e in islice(made, rows)]
        path = folder / "gsm8k" / f"{split}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")


def stories(split: str):
    """Rows without end."""
    return WordProblems().generate(split, 1234, WordProblemsOptions())


def ours(arguments: argparse.Namespace, form: str, data: Path, folder: Path) -> Side:
    """`reason eval`."""
    command = [sys.executable, "-m", "reason_cli", "eval", "gsm8k", "--checkpoint", arguments.checkpoint]
    command += ["--output", folder, "--limit", arguments.questions, "--max-new-tokens", arguments.max_new_tokens]
    command += ["--device", arguments.device, "--precision", "fp32", "--style", "hash"]
    command += [part for text in STOP for part in ("--stop", text)]
    command += ["--template", PLAIN] if form != "chat" else []
    command += ["--shots", SHOTS] if form == "shots" else []
    subprocess.run([str(c) for c in command], check=True, env={**os.environ, "REASON_DATA": str(data)})
    return Side.read(folder)


def theirs(arguments: argparse.Namespace, form: str, data: Path, folder: Path, prompt: str) -> Side:
    """`lm_eval --model hf`; `prompt` is one of ours, from which the shots are taken."""
    folder.mkdir(parents=True)
    # JSON is YAML.
    (folder / "task.yaml").write_text(json.dumps(task(arguments, form, data, prompt)), encoding="utf-8")
    weights = Checkpoint.find(Path(arguments.checkpoint)).path.resolve()
    command = [arguments.lm_eval_python, "-m", "lm_eval", "--model", "hf", "--tasks", "gsm8k_local", "--log_samples"]
    command += ["--model_args", f"pretrained={weights},dtype=float32", "--include_path", folder]
    command += ["--output_path", folder / "out", "--limit", arguments.questions, "--device", arguments.device]
    command += ["--batch_size", arguments.batch_size, *(["--apply_chat_template"] if form == "chat" else [])]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache"), "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [str(c) for c in command], env={**os.environ, **offline}, capture_output=True, text=True, cwd=folder
    )
    if done.returncode:
        sys.exit(done.stderr)
    return Side.read(folder / "out")


def task(arguments: argparse.Namespace, form: str, data: Path, prompt: str) -> dict:
    """The harness's `gsm8k` task on local files: its prompt (none but the question in a chat), filters and metric."""
    files = {split: str(data / "gsm8k" / f"{split}.jsonl") for split in ("train", "test")}
    train = [json.loads(line) for line in Path(files["train"]).read_text(encoding="utf-8").splitlines()]
    shown = sorted((row for row in train if row["question"] in prompt), key=lambda row: prompt.index(row["question"]))
    take_first = {"function": "take_first"}
    strict, flexible = {"function": "regex", "regex_pattern": STRICT}, {"function": "regex", "regex_pattern": FLEXIBLE}
    shots = {"num_fewshot": SHOTS, "fewshot_config": {"sampler": "first_n", "samples": shown}}
    return {
        "task": "gsm8k_local",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "output_type": "generate_until",
        "training_split": "train",
        "test_split": "test",
        "doc_to_text": "{{question}}" if form == "chat" else "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{answer}}",
        "metric_list": [
            {
                "metric": "exact_match",
                "aggregation": "mean",
                "higher_is_better": True,
                "ignore_case": True,
                "ignore_punctuation": False,
                "regexes_to_ignore": list(IGNORED),
            }
        ],
        "generation_kwargs": {
            "until": list(STOP),
            "do_sample": False,
            "temperature": 0.0,
            "max_gen_toks": arguments.max_new_tokens,
        },
        "filter_list": [
            {"name": "strict-match", "filter": [strict, take_first]},
            {"name": "flexible-extract", "filter": [flexible | {"group_select": -1}, take_first]},
        ],
        "metadata": {"version": 3.0},
        **(shots if form == "shots" else {"num_fewshot": 0}),
    }


def main() -> None:
    """Print a row for each way to ask, and what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a run directory or a folder of weights")
    parser.add_argument("--lm-eval-python", required=True, help="an interpreter that has lm_eval")
    parser.add_argument("--forms", nargs="+", choices=("chat", "plain", "shots"), default=["chat", "plain", "shots"])
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--made", action="store_true", help="ask word problems made on the spot")
    parser.add_argument("--batch-size", type=int, default=16, help="the harness's; ours does not matter")
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    console, root = Console(), Path(tempfile.mkdtemp(prefix="parity-"))
    data = root if arguments.made else Path(os.environ["REASON_DATA"])
    if arguments.made:
        make_rows(data, arguments.questions)

    table = Table(
        "asked", "questions", "ours, strict", "lm_eval, strict", "same prompts", "same outputs", "same verdicts"
    )
    for form in arguments.forms:
        a = ours(arguments, form, data, root / form / "ours")
        b = theirs(arguments, form, data, root / form / "theirs", a.prompts[0])
        n, same = len(a.outputs), [i for i in a.outputs if a.outputs[i] == b.outputs.get(i)]
        prompts = sum(a.prompts[i] == b.prompts.get(i) for i in a.prompts)
        verdicts = sum(a.right[i] == b.right.get(i) for i in a.right)
        table.add_row(form, *map(str, (n, f"{a.accuracy:.4f}", f"{b.accuracy:.4f}", prompts, len(same), verdicts)))
        for i in islice((i for i in a.outputs if i not in same), SHOWN):
            console.print(f"{form} {i}:\n ours    {a.outputs[i]!r}\n lm_eval {b.outputs.get(i)!r}", markup=False)
    console.print(table, f"files: {root}")


if __name__ == "__main__":
    main()
