"""The quickstart over several seeds: minutes, accuracy on 200 held-out problems, and accuracy by steps.

    python benchmarks/quickstart.py --seeds 0 1 2

Each seed is a whole `reason train --profile quickstart`, timed from outside. Takes ten minutes a seed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table


def run(seed: int, folder: Path) -> dict[str, dict]:
    """One quickstart; returns its minutes and the results of each evaluation by dataset."""
    output = folder / f"seed-{seed}"
    command = [sys.executable, "-m", "reason_cli", "train", "--profile", "quickstart"]
    start = time.perf_counter()
    subprocess.run([*command, "--seed", str(seed), "--output", str(output)], check=True)
    results = [json.loads(path.read_text()) for path in sorted(output.glob("eval/*/results.json"))]
    return {"minutes": (time.perf_counter() - start) / 60, **{r["dataset"]: r for r in results}}


def main() -> None:
    """Print a row per seed and the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, help="where the run directories go; default: a temporary folder")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="quickstart-"))
    runs = {seed: run(seed, folder) for seed in arguments.seeds}

    steps = sorted({int(s) for r in runs.values() for e in r.values() if isinstance(e, dict) for s in e["by"]["steps"]})
    table = Table("seed", "minutes", "held out", *(f"{s} steps" for s in steps))
    for seed, found in runs.items():
        by_steps = {int(s): v for e in found.values() if isinstance(e, dict) for s, v in e["by"]["steps"].items()}
        cells = [f"{by_steps[s]['accuracy']:.1%}" if s in by_steps else "" for s in steps]
        table.add_row(str(seed), f"{found['minutes']:.1f}", f"{found['word-problems:test']['accuracy']:.1%}", *cells)
    mean = sum(r["word-problems:test"]["accuracy"] for r in runs.values()) / len(runs)
    Console().print(table, f"mean of {len(runs)} seeds: {mean:.1%}")


if __name__ == "__main__":
    main()
