"""Grades the pairs of mathematical answers of the tests: how many are told right, and rows/s on one core.

    python benchmarks/math_grading.py [--repeat 20]

Prints the extractor `math` and, where `math_verify` can be imported, Math-Verify beside it on the same pairs. Its time
limit works in the main thread alone and is left on here, as its users have it.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "plugins" / "reason_answers"), str(ROOT / "plugins" / "reason-answers"), str(ROOT)]

import math_pairs  # noqa: E402

Equal = Callable[[str, str], bool]


def ours() -> Equal:
    from reason_answers.algebra import reading
    from reason_answers.expression import Math

    def equal(gold: str, predicted: str) -> bool:
        reading.read.cache_clear()  # every row is read anew
        return math.equal(predicted, gold)

    math = Math()
    return equal


def math_verify() -> Equal:
    import logging

    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    return lambda gold, predicted: verify(parse(f"\\boxed{{{gold}}}"), parse(f"\\boxed{{{predicted}}}"))


def report(name: str, equal: Equal, repeat: int) -> None:
    """Prints what `equal` gets right, with each pair in both orders, and its speed."""
    missed: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    begun = time.perf_counter()
    for _ in range(repeat):
        for kind, left, right in math_pairs.SAME:
            missed[kind] += not equal(left, right)
        for kind, left, right in math_pairs.DIFFERENT:
            accepted[kind] += equal(left, right)
    seconds = time.perf_counter() - begun
    same, different = len(math_pairs.SAME), len(math_pairs.DIFFERENT)
    wrong, taken = missed.total() // repeat, accepted.total() // repeat
    print(f"{name}: same {same - wrong}/{same}, different {different - taken}/{different}", end=", ")
    right, rows = 1 - (wrong + taken) / (same + different), repeat * (same + different)
    print(f"all {right:.1%}, {rows / seconds:,.0f} rows/s")
    for kind in sorted({*(+missed), *(+accepted)}):
        print(f"    {kind}: {missed[kind] // repeat} missed, {accepted[kind] // repeat} wrongly accepted")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeat", type=int, default=5)
    asked = arguments.parse_args()
    report("math", ours(), asked.repeat)
    if importlib.util.find_spec("math_verify"):
        report("Math-Verify", math_verify(), 1)


if __name__ == "__main__":
    main()
