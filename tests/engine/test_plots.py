"""What the plots of a report show, in numbers and as files."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from xml.etree import ElementTree

import pytest
from made_evaluations import evaluation, graded, sample

from reason_cli.engine.comparison import compare
from reason_cli.engine.plots import plots
from reason_cli.engine.plots.accuracy import breakdowns
from reason_cli.engine.plots.kinds import Key, Point, Row, points
from reason_cli.engine.plots.plot import labelled, named, short
from reason_cli.engine.plots.rendering import PAPER, SERIES, png, svg


def drawn(*evaluations, comparisons=()):
    return {plot.name: plot for plot in plots(labelled(evaluations), comparisons)}


def row_of(plot, *start):
    return next(list(row) for row in plot.numbers if list(row[: len(start)]) == list(start))


@pytest.fixture(scope="module")
def two():
    base, tuned = evaluation("base", 0.4), evaluation("tuned", 0.9)
    return base, tuned, compare(base, tuned)


def test_one_model_has_every_plot_that_it_has_something_for():
    found = drawn(evaluation())
    assert list(found) == ["accuracy", "by-operation", "by-magnitude", "tag-level", "tag-steps", *ENDS]


def test_a_tag_that_is_told_of_any_dataset_is_shown_once():
    one = evaluation()
    steps = {str(n): share for n, share in enumerate(one.results["by"]["steps"].values())}
    errors = one.results["errors"] | {"by": one.results["errors"]["by"] | {"steps": steps}}
    found = [plot.name for plot in breakdowns({"one": replace(one, results=one.results | {"errors": errors})})]
    assert "by-steps" in found and "tag-steps" not in found and "tag-level" in found


ENDS = ["strategies", "slips", "lengths"]


def test_accuracy_is_that_of_the_results_lenient_and_strict():
    one = evaluation()
    plot = drawn(one)["accuracy"]
    for counted, share in (("lenient", one.results), ("strict", one.results["strict"])):
        low, high = share["interval95"]
        expected = [f"{share['accuracy']:.1%}", f"{low:.1%} to {high:.1%}", str(share["correct"]), "60"]
        assert row_of(plot, "tuned", counted)[2:] == expected
    assert "n = 60 questions" in plot.caption and plot.title


def test_parts_are_shown_with_their_own_figures(two):
    base, tuned, comparison = two
    plot = drawn(base, tuned, comparisons=[comparison])["tag-level"]
    for label, one in (("base", base), ("tuned", tuned)):
        share = one.results["by"]["level"]["hard"]
        assert row_of(plot, "hard", label)[2] == f"{share['accuracy']:.1%}"


def test_a_tag_of_one_value_or_of_a_value_for_each_question_says_nothing():
    samples = [sample(id=n, tags={"source": "mine", "key": n}) for n in range(30)]
    assert not {"tag-source", "tag-key"} & set(drawn(graded(samples)))


def test_of_many_values_those_with_the_most_questions_are_shown_and_it_is_said():
    samples = [sample(id=n, tags={"kind": f"k{min(n, 40) % 40}"}) for n in range(60)]
    plot = drawn(graded(samples))["tag-kind"]
    assert "The 16 of 40 values with the most questions." in plot.caption
    assert len(plot.numbers) == 40 and row_of(plot, "k0")[-1] == "21"
    assert svg(plot.draw, plot.height).count(">n=") == 16


def test_tags_whose_names_make_the_same_file_name_have_files_of_their_own():
    samples = [sample(id=n, tags={"a b": n % 2, "a/b": n % 3}) for n in range(12)]
    found = drawn(graded(samples))
    assert {"tag-a-b", "tag-a-b-2"} <= set(found)
    assert [found[name].title for name in ("tag-a-b", "tag-a-b-2")] == [
        "Accuracy by tag “a b”",
        "Accuracy by tag “a/b”",
    ]


def test_strategies_are_counted():
    one = evaluation()
    plot = drawn(one)["strategies"]
    for name, count in one.results["strategies"].items():
        right = sum(s.correct for s in one.samples if (s.strategy or "none") == name)
        assert row_of(plot, name)[2:] == [str(count), f"{count / 60:.1%}", str(right)]


def test_lengths_are_those_of_right_and_wrong_answers():
    samples = [sample(id=n, tokens=n, correct=n < 11, strict=n < 11) for n in range(101)]
    plot = drawn(graded(samples))["lengths"]
    assert row_of(plot, "tuned", "right")[2:] == ["11", "5", "10", "10"]
    assert row_of(plot, "tuned", "wrong")[2:] == ["90", "55", "96", "100"]


def test_slips_are_those_of_the_analysis_and_none_are_drawn_when_all_is_right():
    one = evaluation()
    plot = drawn(one)["slips"]
    assert [row[2] for row in plot.numbers] == [str(count) for count in one.results["errors"]["slips"].values()]
    assert f"n = {60 - one.results['correct']} wrong" in plot.caption
    assert "slips" not in drawn(graded([sample(), sample(id=1)]))


def test_changes_are_those_of_the_comparison(two):
    base, tuned, comparison = two
    plot = drawn(base, tuned, comparisons=[comparison])["flips"]
    counts = [len(comparison.corrected), len(comparison.broken), comparison.both, comparison.neither]
    assert list(plot.numbers[0]) == ["base", "tuned", *map(str, counts)] and sum(counts) == 60


def shapes(plot, name):
    root = ElementTree.fromstring(plot.svg())
    return list(root.iter(f"{{http://www.w3.org/2000/svg}}{name}"))


def test_strict_accuracy_is_drawn_hollow():
    markers = [node.get("style") for node in shapes(drawn(evaluation())["accuracy"], "use")]
    assert sum(f"fill: {SERIES[0]}" in style for style in markers) == 2  # the point and its key
    assert sum(f"fill: {PAPER}" in style for style in markers) == 2


def test_what_is_broken_is_drawn_to_the_left_of_what_is_corrected(two):
    base, tuned, comparison = two
    texts = shapes(drawn(base, tuned, comparisons=[comparison])["flips"], "text")
    at = {node.text: place(node) for node in texts}
    assert at[str(len(comparison.broken))] < at["0"] < at[str(len(comparison.corrected))]


def place(text):
    """How far right a text stands, however it was put there."""
    moved = re.search(r"translate\(([\d.]+)", text.get("transform") or "")
    return float(moved[1] if moved else text.get("x"))


def test_wrong_answers_are_the_pale_parts_of_the_bars():
    one = evaluation()
    plot = drawn(one)["strategies"]
    bars = [path for path in shapes(plot, "path") if f"fill: {SERIES[0]}" in (path.get("style") or "")]
    wide = {
        pale: sum(width(path) for path in bars if ("opacity: 0.32" in path.get("style")) == pale) for pale in (0, 1)
    }
    keys = 2 * width(bars[-1])
    share = (wide[0] - keys / 2) / (wide[0] + wide[1] - keys)
    assert share == pytest.approx(one.results["accuracy"], abs=0.01)


def test_lengths_that_nobody_counted_are_not_drawn():
    assert "lengths" not in drawn(graded([sample(id=n, tokens=0) for n in range(3)]))


def test_lengths_are_drawn_in_bars_of_whole_numbers():
    for tokens in ([0, 1], [1, 2], [20, 20], [7, 1000]):
        plot = drawn(graded([sample(id=n, tokens=count) for n, count in enumerate(tokens)]))["lengths"]
        along = [node.text for node in shapes(plot, "text") if node.text[0].isdigit()]
        assert len(along) > 2 and all(float(tick).is_integer() for tick in along), along


def width(path):
    xs = [
        float(pair.split()[0]) for pair in path.get("d").replace("z", "").replace("M", "L").split("L") if pair.strip()
    ]
    return max(xs) - min(xs)


def test_sampling_curves_are_drawn_when_there_are_several_samples():
    curve = {k: {"value": v, "interval95": [v - 0.1, v + 0.1]} for k, v in (("1", 0.5), ("2", 0.6), ("4", 0.8))}
    found = drawn(evaluation(k=4, pass_at_k=curve, maj_at_k=curve))
    assert row_of(found["samples"], "pass@k", "4") == ["pass@k", "4", "80.0%", "70.0% to 90.0%"]
    assert "240 answers" in found["accuracy"].caption


def test_labels_are_told_apart_and_comparisons_find_them():
    one, other = evaluation("final"), evaluation("final", 0.2)
    object.__setattr__(other, "folder", other.folder.with_name("elsewhere"))
    models = labelled([one, other])
    assert list(models) == ["final", "final (2)"]
    assert named(models, compare(one, other).b) == "final (2)"


def test_figures_are_counted_from_the_samples_where_the_results_have_none():
    one = evaluation()
    bare = {key: one.results[key] for key in ("dataset", "checkpoint", "n", "correct", "settings", "model")}
    again = type(one)(bare, one.samples, one.folder)
    assert [(p.name, p.numbers) for p in drawn(again).values()] == [(p.name, p.numbers) for p in drawn(one).values()]


def rows():
    return [Row("a <b> & $x^{2$", [Point(0.5, 0.4, 0.6), Point(0.7, 0.6, 0.8, 1)], note="n=1")]


def test_a_png_is_one_and_an_svg_holds_its_text_as_text():
    from PIL import Image

    def draw(figure):
        points(figure, rows(), [Key("one"), Key("other", 1)])

    image = Image.open(BytesIO(png(draw, 1.5, "Title", "A caption. " * 30)))
    image.load()
    assert image.width == 1000 and image.height > 300 and len(set(image.convert("RGB").get_flattened_data())) > 50
    root = ElementTree.fromstring(svg(draw, 1.5))
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a <b> & $x^{2$", "n=1", "one", "other"} <= set(texts)
    assert all(shade in svg(draw, 1.5) for shade in SERIES[:2]) and SERIES[2] not in svg(draw, 1.5)


def test_the_same_plots_have_the_same_bytes_in_any_thread_and_the_settings_of_others_are_left_alone():
    import matplotlib

    matplotlib.rcParams["svg.fonttype"] = "path"
    matplotlib.rcParams["lines.linewidth"] = 7.0
    before = dict(matplotlib.rcParams)
    found = list(drawn(evaluation(n=20)).values())[:4]
    alone = [(plot.png(), plot.svg()) for plot in found]
    barrier = threading.Barrier(4)

    def both(plot):
        barrier.wait()
        return plot.png(), plot.svg()

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(both, found))
    assert together == alone
    assert dict(matplotlib.rcParams) == before
    matplotlib.rcdefaults()


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb\x00c\ud800", "a b c"), ("", "(empty)"), ("x" * 40, "x" * 25 + "…"), (7, "7"), ("层 1", "层 1")],
)
def test_names_fit_and_hold_nothing_that_an_svg_may_not(text, shown):
    assert short(text) == shown
    ElementTree.fromstring(svg(lambda figure: points(figure, [Row(short(text), [Point(0.5, 0, 1)])]), 1))
