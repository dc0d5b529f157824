"""Is the hybrid better at problems of many steps, and what does it cost? Mamba, hybrid, hybrid without recursion.

    python benchmarks/hybrid_vs_mamba.py [--seeds 0 1 2] [--steps N] [--folder DIR] [--json FILE]

Accuracy: each model and seed is a whole `reason train` on word problems of 1 to 6 steps (vocabulary 1,024), the same
rows in the same order, the same number of tokens, one thread each and two at a time; then `reason eval` on 300 problems
of 1 to 6 steps and 200 of 7 and 8, which were never trained. The models have as many parameters as each other, within
5%. A run that is in DIR already is not trained again.

Cost: the models built anew and measured in turn in one process, two threads, on batches like those of the runs:
training steps (forward, backward, AdamW, bfloat16 where the CPU has it) and generated tokens (64 answers at a time),
each the fastest of several turns; and the memory that a training step adds, each in a process of its own. `--sizes
large` does the same for `hybrid-small` and a Mamba with as many parameters.

Skipping: the hybrid trained with a ponder cost, its accuracy and speed with passes skipped under several thresholds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from reason_hybrid.architecture import PRESETS, Hybrid, HybridOptions
from reason_mamba.architecture import Mamba, MambaOptions
from rich.console import Console
from rich.table import Table

from reason_cli import Load

VOCABULARY = 1024
ROWS, LENGTH = 32, 112  # of a batch of the runs, on average
ANSWERS, SAID = 64, 96
DATA = [
    *("--dataset", "word-problems", "--set", "data.word-problems.max_steps=6", "--max-rows", "60000"),
    *("--tokenizer", f"bpe:{VOCABULARY}", "--no-decontaminate", "--validation-split", "0.005"),
]
TRAINING = [
    *("--learning-rate", "3e-3", "--warmup-steps", "100", "--lr-scheduler", "linear", "--weight-decay", "0.01"),
    *("--micro-batch-size", str(ROWS), "--eval-steps", "250", "--save-steps", "100000", "--samples", "0"),
    *("--device", "cpu", "--threads", "1", "--set", "model.dropout=0", "--set", "model.max_seq_len=320"),
]
HYBRID = HybridOptions(d_model=128, n_layer=2, n_head=2, n_kv_head=1, head_dim=32, dropout=0.0)
MODELS = {
    "mamba": (Mamba(), MambaOptions(d_model=128, n_layer=7, dropout=0.0)),
    "hybrid": (Hybrid(), HYBRID),
    "hybrid, one pass": (Hybrid(), replace(HYBRID, max_recursion_depth=1)),
}
LARGE = {
    "mamba": (Mamba(), MambaOptions(d_model=640, n_layer=16, dropout=0.0)),
    "hybrid": (Hybrid(), replace(PRESETS["hybrid-small"], dropout=0.0)),
    "hybrid, one pass": (Hybrid(), replace(PRESETS["hybrid-small"], dropout=0.0, max_recursion_depth=1)),
}
PONDER, THRESHOLDS = 0.02, (0.0, 0.1, 0.2, 0.3)


class Words:
    """What `build` asks of a tokenizer."""

    bos_token_id, eos_token_id, pad_token_id = 0, 1, 2

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


# ---- accuracy


def reason(*arguments: object, log: Path) -> None:
    """Run `reason`; what it prints goes to a file."""
    with log.open("a") as file:
        command = [sys.executable, "-m", "reason_cli", *map(str, arguments)]
        subprocess.run(command, check=True, stdout=file, stderr=file)


def settings(architecture: str, options: object) -> list[str]:
    """The options that are not the default, as flags."""
    default = type(options)()
    changed = {name: value for name, value in vars(options).items() if value != getattr(default, name)}
    return [
        "--arch",
        architecture,
        *(word for name, value in changed.items() for word in ("--set", f"model.{name}={value}")),
    ]


def trained(name: str, seed: int, steps: int, folder: Path, more: Sequence[str] = ()) -> dict[int, dict]:
    """Accuracy by number of steps of one run."""
    architecture, options = MODELS.get(name, MODELS["hybrid"])
    run = folder / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
    log = run.with_suffix(".log")
    if not (run / "final").exists():
        flags = [*settings(architecture.name, options), *DATA, *TRAINING, "--max-steps", steps, "--seed", seed, *more]
        reason("train", *flags, "--output", run, log=log)
    if not list(run.glob("eval/*/results.json")):
        asked = ["word-problems@300", "word-problems:harder@200"]
        reason("eval", *asked, "--checkpoint", run, "--threads", 1, "--max-new-tokens", 160, "--no-report", log=log)
    found = [json.loads(path.read_text()) for path in run.glob("eval/*/results.json")]
    return {int(step): one for results in found for step, one in results["by"]["steps"].items()}


def accuracy(by_steps: dict[int, dict], low: int, high: int) -> float:
    """The share of right answers to problems of `low` to `high` steps."""
    chosen = [one for step, one in by_steps.items() if low <= step <= high]
    return sum(one["correct"] for one in chosen) / sum(one["n"] for one in chosen)


def compare(seeds: Sequence[int], steps: int, folder: Path, console: Console) -> dict:
    """Train and grade every model under every seed, two runs at a time."""
    jobs = [(name, seed) for seed in seeds for name in MODELS]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda job: trained(*job, steps, folder), jobs))
    found = dict(zip(jobs, results, strict=True))
    ranges = [(1, 2), (3, 4), (5, 6), (7, 8), (1, 6)]
    table = Table("model", "seed", *(f"{low} to {high} steps" for low, high in ranges))
    figures: dict = {}
    for name in MODELS:
        rows = [[accuracy(found[name, seed], *r) for r in ranges] for seed in seeds]
        for seed, row in zip(seeds, rows, strict=True):
            table.add_row(name, str(seed), *(f"{share:.1%}" for share in row))
        means = [statistics.mean(column) for column in zip(*rows, strict=True)]
        table.add_row(name, "mean", *(f"[bold]{share:.1%}[/]" for share in means), end_section=True)
        figures[name] = {"seeds": rows, "mean": dict(zip([f"{a}-{b}" for a, b in ranges], means, strict=True))}
    console.print(table)
    return figures


# ---- cost


def batch(vocabulary: int, rows: int = ROWS, length: int = LENGTH):
    """Random ids, of which the second half is trained."""
    import torch

    ids = torch.randint(3, vocabulary, (rows, length))
    return {"input_ids": ids, "labels": ids.masked_fill(torch.arange(length) < length // 2, -100)}


def step(model, optimizer, inputs, bf16: bool) -> None:
    """One training step."""
    import torch

    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = model(**inputs).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def say(model, vocabulary: int) -> None:
    """Generate for a batch of prompts, one token per row at a time, as `reason eval` does."""
    import torch

    from reason_cli.engine.slots import Slots, read

    prompts = torch.randint(3, vocabulary, (ANSWERS, LENGTH // 2)).tolist()
    with torch.inference_mode():
        reading = read(model, prompts, 0)
        slots = Slots(model, reading.cache, reading.keyword, range(ANSWERS))
        tokens = reading.logits.argmax(-1).tolist()
        for _ in range(SAID):
            tokens = slots.step(dict(enumerate(tokens))).argmax(-1).tolist()


def cost(models: dict, vocabulary: int, rows: int, console: Console, threads: int, turns: int) -> dict:
    """Speeds measured in turn, memory each by itself, and their ratios to the first model's."""
    import torch

    from reason_cli.engine.hardware import native_bf16_cpu

    torch.set_num_threads(threads)
    bf16, inputs = native_bf16_cpu(), batch(vocabulary, rows)
    built = {name: architecture.build(options, Words(vocabulary)) for name, (architecture, options) in models.items()}
    optimizers = {name: torch.optim.AdamW(model.parameters(), fused=True) for name, model in built.items()}
    seconds: dict[str, dict[str, list[float]]] = {name: {"train": [], "say": []} for name in models}
    for _ in range(turns):
        for name, model in built.items():
            for kind, work in (
                ("train", lambda m=model, o=optimizers[name]: step(m.train(), o, inputs, bf16)),
                ("say", lambda m=model: say(m.eval(), vocabulary)),
            ):
                start = time.perf_counter()
                work()
                seconds[name][kind].append(time.perf_counter() - start)
    figures = {}
    for name, (architecture, options) in models.items():
        figures[name] = {
            "parameters": built[name].num_parameters(),
            "flops_per_token": architecture.estimate(options, Load(vocabulary, rows, LENGTH)).flops_per_token,
            "training_tokens_per_second": inputs["input_ids"].numel() / min(seconds[name]["train"][1:]),
            "generated_tokens_per_second": ANSWERS * SAID / min(seconds[name]["say"][1:]),
            "training_memory": alone(name, vocabulary != VOCABULARY, rows),
        }
    first = next(iter(figures.values()))
    table = Table("model", "parameters", "training tokens/s", "", "generated tokens/s", "", "training memory", "")
    for name, one in figures.items():
        cells = [f"{one['parameters']:,}"]
        for key in ("training_tokens_per_second", "generated_tokens_per_second"):
            cells += [f"{one[key]:,.0f}", f"{one[key] / first[key]:.2f}"]
        cells += [
            f"{one['training_memory'] / 2**20:,.0f} MiB",
            f"{one['training_memory'] / first['training_memory']:.2f}",
        ]
        table.add_row(name, *cells)
    console.print(table)
    return figures


def alone(name: str, large: bool, rows: int) -> int:
    """The memory that training adds in a process of its own."""
    asked = [
        sys.executable,
        __file__,
        "--memory-of",
        name,
        "--sizes",
        "large" if large else "small",
        "--rows",
        str(rows),
    ]
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(asked, check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout.split()[-1])


def memory(models: dict, name: str, vocabulary: int, rows: int) -> int:
    """The highest resident memory of a few training steps, over that before the model was built."""
    import resource

    import psutil
    import torch

    torch.set_num_threads(1)
    from reason_cli.engine.hardware import native_bf16_cpu

    architecture, options = models[name]
    tiny = architecture.build(replace(options, d_model=32, n_layer=1), Words(vocabulary))
    step(tiny, torch.optim.AdamW(tiny.parameters(), fused=True), batch(vocabulary, 2, 16), native_bf16_cpu())
    before = psutil.Process().memory_info().rss
    model = architecture.build(options, Words(vocabulary)).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    for _ in range(3):
        step(model, optimizer, batch(vocabulary, rows), native_bf16_cpu())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before


# ---- skipping


def skipping(steps: int, folder: Path, console: Console) -> dict:
    """A hybrid trained with a ponder cost, under several thresholds: accuracy, and seconds of the evaluation."""
    trained("hybrid with ponder", 0, steps, folder, ["--set", f"model.ponder_cost={PONDER}"])
    run, figures = folder / "hybrid-with-ponder-0", {}
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    depths = {name: value for line in logged for name, value in line.items() if name.startswith("depth_layer")}
    for threshold in THRESHOLDS:
        output = run / f"threshold-{threshold}"
        asked = ["word-problems@300", "--max-new-tokens", 160, "--no-report", "--no-resume", "--threads", 1]
        changed = ["--set", f"model.adaptive_depth={threshold}", "--output", output]
        reason("eval", *asked, *changed, "--checkpoint", run, log=run.with_suffix(".log"))
        results = json.loads(next(output.glob("*/results.json")).read_text())
        figures[threshold] = {"accuracy": results["accuracy"], "speed": results["timing"]["tokens_per_second"]}
    table = Table("skipped under", "accuracy", "tokens/s", "", title=f"mean depth of 3: {depths}")
    for threshold, one in figures.items():
        gain = one["speed"] / figures[THRESHOLDS[0]]["speed"]
        table.add_row(str(threshold), f"{one['accuracy']:.1%}", f"{one['speed']:,.0f}", f"{gain:.2f}")
    console.print(table)
    return {"depths": depths, "thresholds": figures}


def main() -> None:
    """Measure, print, and with `--json` write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=800, help="optimizer steps of each run (default 800)")
    parser.add_argument("--folder", type=Path, help="where the run directories go; default: a temporary folder")
    parser.add_argument(
        "--sizes", choices=("small", "large"), default="small", help="of the models whose cost is measured"
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of a training step whose cost is measured")
    parser.add_argument("--threads", type=int, default=2, help="threads while the cost is measured")
    parser.add_argument(
        "--turns", type=int, default=6, help="times that each model is measured; the first is not counted"
    )
    parser.add_argument("--no-cost", action="store_true", help="leave out the cost")
    parser.add_argument("--no-skipping", action="store_true", help="leave out the skipped passes")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    models, vocabulary = (LARGE, 50_257) if arguments.sizes == "large" else (MODELS, VOCABULARY)
    shape = models["hybrid"][1]
    # A hybrid all of whose gates are closed: the most that skipping can save when it generates.
    measured = {**models, "hybrid, all skipped": (Hybrid(), replace(shape, adaptive_depth=1.0))}
    if arguments.memory_of:
        sys.stdout.write(str(memory(measured, arguments.memory_of, vocabulary, arguments.rows)))
        return
    console, figures = Console(width=140), {}
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="hybrid-vs-mamba-"))
    folder.mkdir(parents=True, exist_ok=True)
    counts = {n: a.estimate(o, Load(vocabulary)).parameters for n, (a, o) in models.items()}
    assert max(counts.values()) <= 1.05 * min(counts.values()), counts
    if arguments.seeds:
        figures["accuracy"] = compare(arguments.seeds, arguments.steps, folder, console)
        if not arguments.no_skipping:
            figures["skipping"] = skipping(arguments.steps, folder, console)
    if not arguments.no_cost:
        figures["cost"] = cost(measured, vocabulary, arguments.rows, console, arguments.threads, arguments.turns)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
