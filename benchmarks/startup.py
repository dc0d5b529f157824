"""How long `reason --help` takes beside `python -c "import click"`: medians of whole processes, run in turn.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

ROUNDS = 21
COMMANDS = {
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "reason --help": [sys.executable, "-m", "reason_cli", "--help"],
    "reason train --help": [sys.executable, "-m", "reason_cli", "train", "--help"],
    "reason plugins": [sys.executable, "-m", "reason_cli", "plugins"],
}


def seconds(command: list[str]) -> float:
    """The wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the median of each command and its ratio to the first."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    base = statistics.median(times[next(iter(COMMANDS))])
    table = Table("command", "median", "times import click")
    for name, taken in times.items():
        median = statistics.median(taken)
        table.add_row(name, f"{median * 1000:.0f} ms", f"{median / base:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
