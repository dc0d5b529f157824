"""What does thinking in latents bring a language model, and what does it cost?

    python benchmarks/trm_gain.py [--task sudoku|stories] [--seeds 0 1 2] [--brief] [--folder DIR]

The base is `reason train --profile base-small`. Under each seed `--arch trm` tunes it by a LoRA, once with latents and
once without (`model.use_trm=false`): the same rows in the same order, the same steps and learning rate. Without latents
it is also tuned for longer, until that cost as much processor time. With the first seed alone the number of latents and
the depth of the recursion are varied. Steps at test need no training: all runs with latents are asked with several.

Tasks: `sudoku`, 4x4, the solved grid right after `<think>`, a kind of problem that is solved as a whole and told from
left to right; `stories`, of three steps, worked out aloud, which the base knows with one and two steps.

Intervals hold 95%: of an accuracy Wilson's, of a difference by bootstrap over the questions. Cost is that of the whole
command `reason train` in processor time. What is in DIR already is neither trained nor asked again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from qlora_gain import accuracy, difference, learn, reason, right, shown
from rich.console import Console
from rich.table import Table

from reason_cli.engine.graded import Graded, read_graded
from reason_cli.engine.statistics import wilson

TASKS = {
    "sudoku": {
        "train": ("--dataset", "sudoku@40000", "--style", "plain", "--max-steps", 600, "--micro-batch-size", 16),
        "eval": ("sudoku", "--max-new-tokens", 40),
        "latents": {"num_latents": 20, "hints": 0.5},  # the tokens of a grid, and its end
    },
    "stories": {
        "train": (
            *("--dataset", "word-problems@6000", "--max-steps", 120, "--micro-batch-size", 32),
            *("--set", "data.word-problems.min_steps=3", "--set", "data.word-problems.max_steps=3"),
            *("--set", "data.word-problems.magnitude=30"),
        ),
        "eval": ("word-problems", "--max-new-tokens", 80),
        "latents": {"num_latents": 64},
    },
}  # fmt: skip
TUNING = (
    *("--arch", "trm", "--precision", "fp32", "--learning-rate", "3e-3"),
    *("--warmup-steps", 30, "--lr-scheduler", "linear", "--validation-split", 0, "--no-decontaminate"),
    *("--samples", 0, "--save-steps", 100_000, "--set", "data.prefill=<think>", "--set", "model.quantization=none"),
    *("--set", "model.max_seq_len=256", "--set", "model.d_latent=64", "--set", "model.n_head=4"),
    *("--set", "model.mlp_expand=2.0"),
)
LATENTS = {"n_latent_steps": 2, "n_deep_recursions": 1, "n_supervision_steps": 3}
VARIED = {
    "no draft": {"draft": 0, "hints": 0},
    "no hints": {"hints": 0},
    "1 latent": {"num_latents": 1},
    "8 latents": {"num_latents": 8},
    "64 latents": {"num_latents": 64},
    "1 supervision step": {"n_supervision_steps": 1},
    "6 supervision steps": {"n_supervision_steps": 6},
    "2 deep recursions": {"n_deep_recursions": 2},
}
AT_TEST = (1, 2, 3, 6)
ALONE, THINKING, LONGER = "without latents", "with latents", "without latents, as long"
GOAL = 5  # points that latents are to bring


def main() -> None:
    """Train what is missing, ask, print, and with `--json` write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=list(TASKS), default="sudoku")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--questions", type=int, default=500, help="held-out questions")
    parser.add_argument("--at-once", type=int, default=2, help="runs at a time, of one thread each (default 2)")
    parser.add_argument("--brief", action="store_true", help="with and without latents alone: none longer, none varied")
    parser.add_argument("--folder", type=Path, help="where the run directories go; default: a temporary folder")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="trm-gain-"))
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(width=140)
    learn(folder / "base", "--profile", "base-small")
    tuned = Tuned(folder, given.task, given.questions)
    plain = [(ALONE, seed, {"use_trm": "false"}, 1.0) for seed in given.seeds]
    thinking = [(THINKING, seed, tuned.latents, 1.0) for seed in given.seeds]
    varied = [(name, given.seeds[0], tuned.latents | more, 1.0) for name, more in VARIED.items()]
    with ThreadPoolExecutor(given.at_once) as pool:
        list(pool.map(lambda job: tuned.run(*job), [*plain, *thinking]))
        ratio = tuned.cost(THINKING, given.seeds) / tuned.cost(ALONE, given.seeds)
        longer = [(LONGER, seed, {"use_trm": "false"}, ratio) for seed in given.seeds]
        list(pool.map(lambda job: tuned.run(*job), [] if given.brief else [*longer, *varied]))
    others = [ALONE] if given.brief else [ALONE, LONGER]
    figures = {"task": given.task, "questions": given.questions, "cost": ratio}
    figures["accuracy"] = show_accuracy(tuned, [*others, THINKING], given.seeds, console)
    figures["at test"] = show_at_test(tuned, given.seeds, console)
    figures["varied"] = {} if given.brief else show_varied(tuned, given.seeds[0], console)
    figures["gain"] = show_gain(tuned, others, given.seeds, ratio, console)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2))


class Tuned:
    """The runs of a task, by name and seed, and their answers."""

    def __init__(self, folder: Path, task: str, questions: int) -> None:
        self.folder, self.task, self.questions = folder, task, questions
        self.latents = LATENTS | TASKS[task]["latents"]

    def path(self, name: str, seed: int) -> Path:
        """The run directory."""
        return self.folder / f"{self.task}-{name.replace(' ', '-').replace(',', '')}-{seed}"

    def run(self, name: str, seed: int, model: dict, longer: float) -> None:
        """Tune the base, and ask what came of it."""
        settings = [part for key, value in model.items() for part in ("--set", f"model.{key}={value}")]
        own = list(TASKS[self.task]["train"])
        place = own.index("--max-steps") + 1
        own[place] = round(own[place] * longer)
        base = ("--set", f"model.base={self.folder / 'base' / 'final'}", "--seed", seed, "--threads", 1)
        learn(self.path(name, seed), *TUNING, *own, *base, *settings)
        for steps in AT_TEST if name == THINKING else (0,):
            self.ask(name, seed, steps)

    def ask(self, name: str, seed: int, steps: int) -> Path:
        """The folder of the answers, with so many steps at test; 0: as many as in training."""
        run = self.path(name, seed)
        output = run.parent / f"{run.name}-{self.questions}-at-{steps}"
        if not list(output.glob("*/results.json")):
            dataset, *how = TASKS[self.task]["eval"]
            asked = ("--checkpoint", run, "--device", "cpu", "--precision", "fp32", "--threads", 1, "--no-report")
            more = ("--set", f"model.steps_at_test={steps}", "--batch-size", 100, "--output", output)
            reason(run.with_suffix(".log"), "eval", f"{dataset}@{self.questions}", *how, *asked, *more)
        return output

    def answers(self, name: str, seed: int, steps: int = 0) -> Graded:
        """The graded answers; with latents as many steps as in training are those of `AT_TEST`."""
        if name == THINKING and not steps:
            steps = LATENTS["n_supervision_steps"]
        return read_graded(self.ask(name, seed, steps))

    def cost(self, name: str, seeds: Sequence[int]) -> float:
        """Processor time in seconds of a training run, the mean over seeds."""
        files = [self.path(name, seed).with_suffix(".cost.json") for seed in seeds]
        return statistics.mean(json.loads(file.read_text())["processor"] for file in files)


def figure(graded: Graded) -> dict:
    """An accuracy and its interval."""
    return {"accuracy": accuracy([graded]), "interval": wilson(sum(right(graded)), len(graded.samples))}


def show_accuracy(tuned: Tuned, names: Sequence[str], seeds: Sequence[int], console: Console) -> dict:
    """Each model by seed, its mean, and what it took to train."""
    table = Table("base tuned", *(f"seed {seed}" for seed in seeds), "mean", "processor seconds")
    found: dict = {}
    for name in names:
        figures = [figure(tuned.answers(name, seed)) for seed in seeds]
        found[name] = {"seeds": figures, "mean": statistics.mean(f["accuracy"] for f in figures)}
        found[name]["cost"] = tuned.cost(name, seeds)
        table.add_row(name, *map(shown, figures), f"{found[name]['mean']:.1%}", f"{found[name]['cost']:.0f}")
    console.print(table)
    return found


def show_at_test(tuned: Tuned, seeds: Sequence[int], console: Console) -> dict:
    """The mean over seeds with other numbers of supervision steps outside of training."""
    means = {steps: accuracy([tuned.answers(THINKING, seed, steps) for seed in seeds]) for steps in AT_TEST}
    trained = LATENTS["n_supervision_steps"]
    told = ", ".join(f"{steps}: {mean:.1%}" for steps, mean in means.items())
    console.print(f"supervision steps at test (trained with {trained}), mean: {told}")
    return means


def show_varied(tuned: Tuned, seed: int, console: Console) -> dict:
    """One seed: other numbers of latents, and other depths, as a curve to look at."""
    table = Table("varied, one seed", "accuracy", "", "processor seconds")
    found = {}
    usual = ", ".join(f"{value} {key}" for key, value in tuned.latents.items())
    for name in (ALONE, THINKING, *VARIED):
        found[name] = one = figure(tuned.answers(name, seed)) | {"cost": tuned.cost(name, [seed])}
        label = f"{name} ({usual})" if name == THINKING else name
        table.add_row(label, shown(one), "█" * round(40 * one["accuracy"]), f"{one['cost']:.0f}")
    console.print(table)
    return found


def show_gain(tuned: Tuned, others: Sequence[str], seeds: Sequence[int], ratio: float, console: Console) -> dict:
    """What latents bring, beside as many steps without them, and beside as much time."""
    found = {}
    for name in others:
        pairs = [[tuned.answers(one, seed) for seed in seeds] for one in (THINKING, name)]
        mean, low, high = difference(*pairs)
        each = [difference([one], [other])[0] for one, other in zip(*pairs, strict=True)]
        found[name] = {"mean": mean, "interval": (low, high), "seeds": each}
        reached = "" if mean >= GOAL else "NOT "
        told = ", ".join(f"{one:+.1f}" for one in each)
        said = f"latents over '{name}', points: {mean:+.1f} ({low:+.1f} to {high:+.1f}; {told})"
        console.print(f"{said}: {reached}{GOAL} or more")
    console.print(f"training with latents took {ratio:.2f} times the processor time")
    return found


if __name__ == "__main__":
    main()
