"""Several checkpoints on the same questions: each against the first, and all of them by vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reason_cli.api import AnswerExtractor
from reason_cli.engine.comparison import Comparison, compare
from reason_cli.engine.evaluate import results_of
from reason_cli.engine.graded import Graded, write_graded
from reason_cli.engine.page import write_page
from reason_cli.engine.voting import ensemble
from reason_cli.runs import write_json

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Together:
    """Evaluations of several checkpoints with their ensemble last, and the first one compared with each other."""

    folder: Path
    graded: Sequence[Graded]
    comparisons: Sequence[Comparison]


def together(graded: Sequence[Graded], extractor: AnswerExtractor, folder: Path) -> Together:
    """Compare and vote; writes `comparison.json`, `report.html` and the folder `ensemble`. Needs two or more."""
    voted = _ensemble(graded, extractor, folder / ENSEMBLE)
    write_graded(voted)
    everyone = [*graded, voted]
    comparisons = [compare(graded[0], other) for other in everyone[1:]]
    write_json(folder / "comparison.json", [comparison.as_json() for comparison in comparisons])
    write_page(folder, everyone, comparisons)
    return Together(folder, everyone, comparisons)


def _ensemble(graded: Sequence[Graded], extractor: AnswerExtractor, folder: Path) -> Graded:
    samples = ensemble([one.samples for one in graded], extractor)
    first = graded[0].results
    results = {
        "dataset": first["dataset"],
        "checkpoint": "",
        "model": f"{ENSEMBLE} of {len(graded)}",
        "models": [one.results["model"] for one in graded],
        **results_of(samples, extractor),
        "tokens": sum(s.tokens for s in samples),
        "contamination": max((one.results["contamination"] or 0 for one in graded), default=0),
        "settings": {"extractor": extractor.name},
        "data": first["data"],
        "timing": {"seconds": round(sum(one.results["timing"]["seconds"] for one in graded), 2)},
    }
    return Graded(results, samples, folder)
