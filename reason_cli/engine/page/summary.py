"""The top of a report, and its last line: the verdict, and the figures side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reason_cli import __version__
from reason_cli.engine.page.markup import Html, element, join, table
from reason_cli.engine.page.verdict import asides, compared, measured, p_value, points, warnings
from reason_cli.engine.plots.plot import named
from reason_cli.engine.plots.rendering import SERIES

if TYPE_CHECKING:
    from reason_cli.engine.comparison import Comparison
    from reason_cli.engine.graded import Graded

NONE = "–"


def title(models: Mapping[str, Graded]) -> str:
    """What was evaluated: the dataset, and the models unless they are many."""
    dataset = next(iter(models.values())).results["dataset"]
    return f"{dataset}: {', '.join(models)}" if len(models) <= 3 else f"{dataset}: {len(models)} models"


def header(models: Mapping[str, Graded], comparisons: Sequence[Comparison]) -> Html:
    """The heading, the verdict in sentences, the figures, and what to beware of."""
    pairs = [(comparison, named(models, comparison.a), named(models, comparison.b)) for comparison in comparisons]
    sentences = [compared(*pair) for pair in pairs] or [measured(g.results) for g in models.values()]
    beware = [(label, " ".join(warnings(g.results))) for label, g in models.items()]
    beware += [(f"{b} against {a}", " ".join(asides(comparison))) for comparison, a, b in pairs]
    first = next(iter(models.values())).results
    return join(
        [
            element("p", "Evaluation", class_="kicker"),
            element("h1", first["dataset"]),
            element("ul", *(_who(n, label, g) for n, (label, g) in enumerate(models.items())), class_="models"),
            element("div", *(element("p", sentence) for sentence in sentences), class_="verdict"),
            _cards(first) if len(models) == 1 else _side_by_side(models, pairs),
            _list([(label, text) for label, text in beware if text]),
        ]
    )


def _list(beware: Sequence[tuple[str, str]]) -> Html:
    items = [element("li", element("b", label), ": ", text) for label, text in beware]
    return element("ul", *items, class_="beware", aria_label="Warnings") if items else Html()


def _who(series: int, label: str, graded: Graded) -> Html:
    checkpoint = graded.results["checkpoint"]
    place = element("span", checkpoint, class_="place") if checkpoint and checkpoint != label else ""
    return element("li", element("span", "", class_=_dot(series), aria_hidden="true"), element("b", label), " ", place)


def _dot(series: int) -> str:
    return f"dot c{series % len(SERIES)}"


# --- one model ---------------------------------------------------------------------------------------------------


def _cards(results: Mapping[str, Any]) -> Html:
    strict = results["strict"]
    large = [
        _card("Accuracy", f"{results['accuracy']:.1%}", f"95%: {_interval(results)}", "card large"),
        _card("Strict accuracy", f"{strict['accuracy']:.1%}", f"95%: {_interval(strict)}; explicit markers only"),
    ]
    small = [_card(name, value, note) for name, value, note in _rates(results)]
    return element("dl", *large, *small, class_="cards")


def _card(name: str, value: str, note: str, class_: str = "card") -> Html:
    return element("div", element("dt", name), element("dd", value), element("dd", note, class_="note"), class_=class_)


def _rates(results: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, value and note of what stands beside the accuracy."""
    answers = results.get("answers")
    yield "Questions", f"{results['n']:,}", f"{answers:,} answers" if answers else f"{results['correct']:,} right"
    yield "No answer", f"{results['no_answer_rate']:.1%}", "of the outputs hold none"
    yield "Cut off", f"{results['cut_off_rate']:.1%}", "of the outputs have no end"
    yield "Tokens an answer", _tokens(results), "on average"
    yield "Tokens a second", _speed(results), "of all answers together"
    yield "Contamination", _contamination(results), "trained rows that hold test questions"


def _interval(share: Mapping[str, Any]) -> str:
    low, high = share["interval95"]
    return f"{low:.1%} to {high:.1%}"


def _tokens(results: Mapping[str, Any]) -> str:
    """The mean length of an answer; of another tool's nobody counted it."""
    return f"{results['mean_tokens']:,.0f}" if results["mean_tokens"] else NONE


def _speed(results: Mapping[str, Any]) -> str:
    speed = results.get("timing", {}).get("tokens_per_second")
    return f"{speed:,.0f}" if speed is not None else NONE


def _contamination(results: Mapping[str, Any]) -> str:
    rows = results.get("contamination")
    return "not known" if rows is None else f"{rows:,}"


# --- several models ----------------------------------------------------------------------------------------------

COLUMNS = ("Model", "Accuracy", "Strict", "Difference", "McNemar p", "Corrected", "Broken", "No answer", "Cut off")


def _side_by_side(models: Mapping[str, Graded], pairs: Sequence[tuple[Comparison, str, str]]) -> Html:
    against = {b: comparison for comparison, _, b in pairs}
    base = pairs[0][1] if pairs else ""
    rows = [
        [
            join([element("span", "", class_=_dot(n), aria_hidden="true"), label]),
            _with_note(f"{g.results['accuracy']:.1%}", _interval(g.results), "strong"),
            _with_note(f"{g.results['strict']['accuracy']:.1%}", _interval(g.results["strict"])),
            *_change(against.get(label), label == base),
            f"{g.results['no_answer_rate']:.1%}",
            f"{g.results['cut_off_rate']:.1%}",
            _tokens(g.results),
            _speed(g.results),
        ]
        for n, (label, g) in enumerate(models.items())
    ]
    n = next(iter(models.values())).results["n"]
    caption = f"All models on {n:,} questions; below each figure its 95% interval"
    return table(caption, [*COLUMNS, "Tokens", "Tokens/s"], rows, "models")


def _change(comparison: Comparison | None, is_base: bool) -> list[object]:
    """The cells of a model that was compared."""
    if comparison is None:
        return ["baseline" if is_base else NONE, NONE, NONE, NONE]
    low, high = comparison.bootstrap95
    side = "same" if low <= 0 <= high else "better" if comparison.difference > 0 else "worse"
    interval = f"{points(low)} to {points(high)}"
    p = p_value(comparison.mcnemar["p"]).removeprefix("=").strip() if comparison.mcnemar else NONE
    shown = _with_note(points(comparison.difference), interval, f"strong {side}")
    return [shown, p, f"{len(comparison.corrected):,}", f"{len(comparison.broken):,}"]


def _with_note(value: str, note: str, class_: str = "") -> Html:
    return join([element("span", value, class_=class_), element("small", note)])


# --- the end -----------------------------------------------------------------------------------------------------


def footer() -> Html:
    """Who wrote the page."""
    return element("p", f"Written by reason {__version__}. The answers stand in samples.jsonl, the figures in "
                        "results.json, and each plot as a PNG in the folder of this page.")  # fmt: skip
