"""What does an adapter bring on a kind of problem that its base never saw, and what does a base in 4 bits cost?

    python benchmarks/qlora_gain.py [--seeds 0 1 2] [--steps N] [--folder DIR] [--json FILE]

The base is `reason train --profile base-small`: stories of one and two steps, none longer. Under each seed LoRA
(`model.quantization=none`) and QLoRA (`nf4`, which bitsandbytes really computes on a CPU) tune it on stories of three
steps: the same rows in the same order, the same steps and learning rate. Then `reason eval` asks 300 held-out stories
of three steps, and as many of one and two, to see what was forgotten. What is in DIR already is neither trained nor
asked again.

Intervals hold 95%: of an accuracy Wilson's, of a difference by bootstrap over the questions, the same for all models.
Cost is that of the whole command `reason train`: seconds by the clock, and of processor time, which says more on a
machine that has other work.
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
from pathlib import Path

from rich.console import Console
from rich.table import Table

from reason_cli.engine.graded import Graded, read_graded
from reason_cli.engine.statistics import paired_bootstrap, wilson

STEPS = {"new": (3, 3), "old": (1, 2)}  # fewest and most steps of a story
METHODS = {"LoRA": "none", "QLoRA": "nf4"}
TUNING = (
    *("--arch", "qlora", "--dataset", "word-problems@6000", "--precision", "fp32", "--micro-batch-size", "32"),
    *("--learning-rate", "4e-3", "--warmup-steps", "10", "--lr-scheduler", "linear", "--weight-decay", "0"),
    *("--set", "model.r=16", "--set", "model.lora_alpha=32", "--set", "model.max_seq_len=256"),
    *("--validation-split", "0", "--no-decontaminate", "--samples", "0", "--save-steps", "100000"),
)
GOAL, NEAR = 15, 2  # points that a tuned model is better than the base, and that QLoRA may be behind LoRA


def main() -> None:
    """Train what is missing, ask, print, and with `--json` write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=120, help="optimizer steps of each tuning (default 120)")
    parser.add_argument("--questions", type=int, default=300, help="held-out questions of each kind")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the run directories go; default: a temporary folder")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="qlora-gain-"))
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(width=140)
    base = folder / "base"
    learn(base, "--profile", "base-small", "--threads", given.threads)
    found = {("base", None): answers(base, given.questions, given.threads)}
    for seed in given.seeds:
        for name, quantization in METHODS.items():
            run = folder / f"{name}-{seed}"
            rows = [part for setting in kind("new") for part in ("--set", setting)]
            held = ("--set", f"model.base={base / 'final'}", "--set", f"model.quantization={quantization}")
            learn(run, *TUNING, *rows, *held, "--max-steps", given.steps, "--seed", seed, "--threads", given.threads)
            found[name, seed] = answers(run, given.questions, given.threads)
            console.print(f"{run}: {accuracy([found[name, seed]['new']]):.1%}")
    figures = {"questions": given.questions, "steps": given.steps, "seeds": given.seeds}
    figures |= {"accuracy": show_accuracy(found, given.seeds, console), "cost": show_cost(folder, given.seeds, console)}
    figures["goals"] = show_goals(found, given.seeds, console)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2))


# ---- what is run


def kind(name: str) -> tuple[str, ...]:
    """The settings of a kind of stories; their numbers are those of the base's."""
    low, high = STEPS[name]
    stories = {"min_steps": low, "max_steps": high, "magnitude": 30}
    return tuple(f"data.word-problems.{key}={value}" for key, value in stories.items())


def reason(log: Path, *arguments: object) -> float:
    """Run `reason`; what it prints goes to a file. Gives the seconds of processor time that it took."""
    command = [sys.executable, "-m", "reason_cli", *map(str, arguments)]
    with log.open("a") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
        _, status, used = os.wait4(process.pid, 0)  # of this process alone: others may run beside it
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    return used.ru_utime + used.ru_stime


def learn(run: Path, *arguments: object) -> None:
    """A training run and what it cost, unless it is there."""
    if (run / "final").is_dir():
        return
    clock = time.perf_counter()
    processor = reason(run.with_suffix(".log"), "train", *arguments, "--device", "cpu", "--output", run)
    spent = {"clock": time.perf_counter() - clock, "processor": processor}
    run.with_suffix(".cost.json").write_text(json.dumps(spent))


def answers(run: Path, questions: int, threads: int) -> dict[str, Graded]:
    """The graded answers of a run to both kinds."""
    given = {}
    for name in STEPS:
        output = run.parent / f"{run.name}-{name}-{questions}"
        if not list(output.glob("*/results.json")):
            settings = [part for setting in kind(name) for part in ("--set", setting)]
            asked = ("--checkpoint", run, "--device", "cpu", "--precision", "fp32", "--threads", threads)
            how = ("--max-new-tokens", 80, "--batch-size", 100, "--no-report", "--output", output)
            reason(run.with_suffix(".log"), "eval", f"word-problems@{questions}", *asked, *settings, *how)
        given[name] = read_graded(output)
    return given


# ---- what came out


def right(graded: Graded) -> list[int]:
    """1 for each question that was answered rightly, else 0, in the questions' order."""
    return [int(sample.correct) for sample in sorted(graded.samples, key=lambda sample: sample.id)]


def accuracy(all_graded: Sequence[Graded]) -> float:
    """The share of right answers, of several evaluations together."""
    return statistics.mean(one for graded in all_graded for one in right(graded))


def difference(better: Sequence[Graded], than: Sequence[Graded]) -> tuple[float, float, float]:
    """The mean difference in points, and its interval over the questions, each of which counts once for all pairs."""
    pairs = zip(map(right, better), map(right, than), strict=True)
    by_pair = [[a - b for a, b in zip(one, other, strict=True)] for one, other in pairs]
    by_question = [100 * statistics.mean(column) for column in zip(*by_pair, strict=True)]
    return statistics.mean(by_question), *paired_bootstrap(by_question, seed=0)


def show_accuracy(found: dict, seeds: Sequence[int], console: Console) -> dict:
    """Both kinds, by seed and together."""
    table = Table("model", "seed", "three steps, never in pretraining", "one and two steps, pretrained on")
    figures: dict = {}
    for name in ("base", *METHODS):
        those = [None] if name == "base" else list(seeds)
        for seed in those:
            figures[f"{name} {seed}" if name != "base" else name] = row = {
                kind: {"accuracy": accuracy([graded]), "interval": wilson(sum(right(graded)), len(graded.samples))}
                for kind, graded in found[name, seed].items()
            }
            table.add_row(name, "" if seed is None else str(seed), *(shown(one) for one in row.values()))
        if name != "base":
            means = {kind: accuracy([found[name, seed][kind] for seed in seeds]) for kind in STEPS}
            figures[f"{name} mean"] = means
            table.add_row(name, "mean", *(f"[bold]{mean:.1%}[/]" for mean in means.values()))
        table.add_section()
    console.print(table)
    return figures


def shown(figure: dict) -> str:
    low, high = figure["interval"]
    return f"{figure['accuracy']:.1%} ({100 * low:.0f} to {100 * high:.0f})"


def show_cost(folder: Path, seeds: Sequence[int], console: Console) -> dict:
    """What the commands took, and QLoRA's share over LoRA's under each seed."""
    spent = {path.name.removesuffix(".cost.json"): json.loads(path.read_text()) for path in folder.glob("*.cost.json")}
    asked = [name for name in ("base", *(f"{name}-{seed}" for name in METHODS for seed in seeds)) if name in spent]
    table = Table("trained", "seconds", "of processor time")
    for name in asked:
        table.add_row(name, f"{spent[name]['clock']:.0f}", f"{spent[name]['processor']:.0f}")
    console.print(table)
    both = [seed for seed in seeds if {f"{name}-{seed}" for name in METHODS} <= spent.keys()]
    ratios = [spent[f"QLoRA-{seed}"]["processor"] / spent[f"LoRA-{seed}"]["processor"] for seed in both]
    console.print(f"QLoRA over LoRA, processor time: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    return {"spent": {name: spent[name] for name in asked}, "ratios": ratios}


def show_goals(found: dict, seeds: Sequence[int], console: Console) -> dict:
    """Whether tuning brought what it should under every seed, and what 4 bits took."""
    base, figures = found["base", None]["new"], {}
    for name in METHODS:
        gains = {seed: difference([found[name, seed]["new"]], [base]) for seed in seeds}
        figures[f"{name} over base"] = gains
        lines = (f"seed {seed} {gain:+.1f} ({low:+.1f} to {high:+.1f})" for seed, (gain, low, high) in gains.items())
        reached = all(gain >= GOAL for gain, *_ in gains.values())
        console.print(
            f"{name} over base, points: {'; '.join(lines)}: {'' if reached else 'NOT '}{GOAL} or more under each seed"
        )
    qlora, lora = ([found[name, seed]["new"] for seed in seeds] for name in ("QLoRA", "LoRA"))
    mean, low, high = difference(qlora, lora)
    each = [difference([one], [other])[0] for one, other in zip(qlora, lora, strict=True)]
    figures["QLoRA over LoRA"] = {"mean": mean, "interval": (low, high), "seeds": each}
    told = ", ".join(f"{one:+.1f}" for one in each)
    reached = "" if abs(mean) <= NEAR else "NOT "
    console.print(f"QLoRA over LoRA, points: {mean:+.1f} ({low:+.1f} to {high:+.1f}; {told}): {reached}within {NEAR}")
    return figures


if __name__ == "__main__":
    main()
