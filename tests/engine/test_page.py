"""The report as a file: what it says, that texts of models stay texts, and that nothing is left out in silence."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from made_evaluations import SETTINGS, evaluation, graded, sample

from reason_cli.config import EvalOptions, HardwareOptions, keys_of
from reason_cli.engine.comparison import compare
from reason_cli.engine.page import samples as page_samples
from reason_cli.engine.page import write_page
from reason_cli.engine.page.markup import Html, element, join
from reason_cli.engine.page.settings import command
from reason_cli.engine.page.verdict import compared, measured, p_value, warnings
from reason_cli.engine.plots import plots
from reason_cli.errors import ReasonError

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!-- <script> -->",
    "<img src=x onerror=alert(1)>",
    "\"'`&amp;&lt; ${alert(1)} $policy",
    "line\u2028and\u2029paragraph",
    "]]> \x00 \x1b[31m \ud800 \U0001f34e",
    "javascript:alert(1)",
    "</script x",
    "<!--<script x",
]


@pytest.fixture
def every_plot():
    """Draw all plots, where one would do."""


@pytest.fixture(autouse=True)
def first_plot(request, monkeypatch):
    """Draw the first plot only, for the sake of speed, unless a test asks for `every_plot`."""
    if "every_plot" not in request.fixturenames:
        monkeypatch.setattr("reason_cli.engine.page.plots", lambda *given: plots(*given)[:1])


class Reader(HTMLParser):
    """The elements of a page, and the text in each kind."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.open = [], {}, []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def data_of(reader):
    return json.loads(reader.texts["script"][0])


def page(folder, *evaluations, comparisons=()):
    return read(write_page(folder, list(evaluations), list(comparisons)))


def text_of(reader):
    return re.sub(r"[ \n]+", " ", "".join(text for texts in reader.texts.values() for text in texts))


def test_the_page_says_the_figures_of_one_evaluation(tmp_path):
    one = evaluation()
    text, found = text_of(page(tmp_path, one)), one.results
    low, high = found["interval95"]
    assert f"{found['correct']} of 60 questions are right: {found['accuracy']:.1%}" in text
    assert f"{low:.1%} to {high:.1%}" in text and f"{found['strict']['accuracy']:.1%}" in text
    assert "1,234" in text and "runs/tuned/final" in text and SETTINGS["weights_sha256"] in text


def test_every_plot_stands_in_the_page_and_beside_it(tmp_path, every_plot):
    reader = page(tmp_path, evaluation())
    names = {attributes["id"].removeprefix("plot-") for attributes in reader.all("figure")}
    assert names == {path.stem for path in tmp_path.glob("*.png")} and len(names) > 5
    assert sum(attributes.get("role") == "img" for attributes in reader.all("svg")) == len(names)


def test_ids_and_classes_of_the_plots_are_the_pages_own(tmp_path, every_plot):
    reader = page(tmp_path, evaluation())
    ids = [a["id"] for _, a in reader.elements if "id" in a]
    assert len(ids) == len(set(ids))
    used = [a["href"][1:] for a in reader.all("use")] + [
        a["clip-path"][5:-1] for _, a in reader.elements if "clip-path" in a
    ]
    assert used and set(used) <= set(ids)
    style = reader.texts["style"][0]
    drawn = {a["class"] for tag, a in reader.elements if tag in ("path", "text", "use") and "class" in a}
    assert drawn and all(f".{name}{{" in style for name in drawn)
    rules = "".join(re.findall(r"\.d\d+\{.*\}", style))
    assert "fill: var(--s0)" in rules and "#0072b2" not in rules and "font-family" not in rules


def test_nothing_may_be_loaded_and_only_its_own_script_and_style_may_run(tmp_path):
    reader = page(tmp_path, evaluation())
    policy = next(a["content"] for a in reader.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    for kind, text in (("style", reader.texts["style"][0]), ("script", reader.texts["script"][1])):
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    assert not any("style" in a or any(key.startswith("on") for key in a) for _, a in reader.elements)
    assert not any(a.get("src") for _, a in reader.elements)
    assert {a["href"][:1] for _, a in reader.elements if "href" in a} <= {"#", "d"}  # its own places, and data:


def test_texts_stay_texts_in_every_plot(tmp_path, every_plot):
    assert_stay_texts(tmp_path, HOSTILE[0][:9] + HOSTILE[1][:5] + HOSTILE[3][:5])


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_models_and_of_data_stay_texts(tmp_path, text):
    assert_stay_texts(tmp_path, text)


def assert_stay_texts(tmp_path, text):
    plain = page(tmp_path / "plain", *(evaluation_of("", label) for label in ("a", "b")))
    hostile = page(tmp_path / "hostile", *(evaluation_of(text, label) for label in (f"a{text}", f"b{text}")))
    assert [name for name, _ in hostile.elements] == [name for name, _ in plain.elements]
    assert [sorted(a) for _, a in hostile.elements] == [sorted(a) for _, a in plain.elements]
    assert not set("<>&\u2028\u2029") & set(hostile.texts["script"][0])
    asked = data_of(hostile)["asked"][0]
    assert asked[1] == f"q{text}" and asked[-1][0][1][0][-1] == f"o{text}"


def evaluation_of(text, label):
    """An evaluation in which every text that may come from outside is `text`."""
    fields = dict.fromkeys(("question", "expected", "reasoning", "predicted", "strategy", "output"))
    samples = [
        sample(id=n, span=(0, 1), tags={f"t{text}": f"{n % 2}{text}"}, **{name: f"{name[0]}{text}" for name in fields})
        for n in range(6)
    ]
    one = graded(samples, label, dataset=f"d{text}", checkpoint=f"c{text}", settings={f"s{text}": f"v{text}"})
    return replace(one, folder=one.folder.with_name(str(len(label) + (label[0] == "b"))))


def test_the_data_hold_every_sample_and_places_as_javascript_counts_them(tmp_path):
    text = "🍎🍎 é = **Final Answer:** 5 🍎"
    start = text.index("5")
    one = graded([sample(output=text, span=(start, start + 1)), sample(id=1, predicted=None, span=None, correct=False)])
    asked = data_of(page(tmp_path, one))["asked"]
    assert [question[0] for question in asked] == [0, 1]
    answer = asked[0][-1][0][1][0]
    assert answer[3] == [start + 2, start + 3]
    assert text.encode("utf-16-le")[2 * answer[3][0] : 2 * answer[3][1]].decode("utf-16-le") == "5"
    assert asked[1][-1][0][1][0][1] is None and asked[1][-1][0][1][0][3] is None


def test_the_first_false_equation_of_an_arithmetic_slip_is_told(tmp_path):
    one = graded([sample(output="🍎 So: 2 + 3 = 6.", predicted="6", span=(14, 15), correct=False, strict=False)])
    answer = data_of(page(tmp_path, one))["asked"][0][-1][0][1][0]
    start, end = (2 * place for place in answer[7])
    assert answer[6] == "arithmetic" and answer[-1].encode("utf-16-le")[start:end].decode("utf-16-le") == "2 + 3 = 6"


def test_several_models_stand_side_by_side_whatever_order_they_were_asked_in(tmp_path):
    base, tuned = evaluation("base", 0.3, n=20), evaluation("tuned", 0.9, n=20)
    turned = graded([replace(s, id=19 - s.id) for s in tuned.samples], "tuned")
    comparison = compare(base, turned)
    reader = page(tmp_path, base, turned, comparisons=[comparison])
    data = data_of(reader)
    assert data["models"] == ["base", "tuned"]
    said = {s.question: s.output for s in tuned.samples}
    for asked in data["asked"]:
        assert asked[-1][0][1][1][-1] == said[asked[1]]
    flips = {asked[0]: asked[5] for asked in data["asked"]}
    assert sorted(n for n, flip in flips.items() if flip == [None, "corrected"]) == list(comparison.corrected)
    assert sorted(n for n, flip in flips.items() if flip == [None, "broken"]) == list(comparison.broken)
    assert compared(comparison, "base", "tuned") in text_of(reader)


def test_the_answers_to_one_question_stand_together(tmp_path):
    few, many = evaluation("few", n=5, k=2), evaluation("many", n=5, k=3)
    asked = data_of(page(tmp_path, few, many))["asked"]
    assert len(asked) == 5
    for question in asked:
        assert [number for number, _ in question[-1]] == [0, 1, 2]
        assert [[one is not None for one in given] for _, given in question[-1]] == [
            [True, True],
            [True, True],
            [False, True],
        ]


def test_evaluations_of_different_questions_are_refused(tmp_path):
    with pytest.raises(ReasonError, match="different questions"):
        write_page(tmp_path, [evaluation("a", n=3), evaluation("b", n=4)], [])


def test_the_same_input_gives_the_same_bytes(tmp_path, every_plot):
    for name in ("a", "b"):
        write_page(tmp_path / name, [evaluation(n=20)], [])
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir()) and "report.html" in files
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_too_many_samples_are_thinned_evenly_and_the_page_is_told(tmp_path, monkeypatch):
    one = evaluation(n=40)
    whole = data_of(page(tmp_path / "whole", one))
    assert whole["questions"] == len(whole["asked"]) == 40
    limit = len(json.dumps(whole["asked"], separators=(",", ":"))) // 2
    monkeypatch.setattr(page_samples, "MOST_CHARACTERS", limit)
    half = data_of(page(tmp_path / "half", one))
    kept = [asked[0] for asked in half["asked"]]
    assert half["questions"] == 40 and 15 <= len(kept) <= 20
    assert kept[0] == 0 and kept[-1] >= 36 and max(b - a for a, b in pairwise(kept)) <= 3
    monkeypatch.setattr(page_samples, "MOST_CHARACTERS", 10)
    assert data_of(page(tmp_path / "none", one))["asked"] == []


# --- the words ---------------------------------------------------------------------------------------------------


def verdict(skill_a, skill_b, n=200, **changes):
    comparison = compare(evaluation("a", skill_a, n), evaluation("b", skill_b, n))
    return compared(replace(comparison, **changes), "a", "b")


def test_the_verdict_says_better_worse_or_that_it_cannot_be_told():
    assert verdict(0.2, 0.9).startswith("b is better than a: +")
    assert verdict(0.9, 0.2).startswith("b is worse than a: −")
    assert verdict(0.5, 0.5, n=30).startswith("b and a cannot be told apart on 30 questions")
    assert verdict(0.2, 0.9, mcnemar={"only_a": 1, "only_b": 2, "p": 0.06}).startswith("b and a cannot be told apart")
    assert "McNemar" not in verdict(0.2, 0.9, mcnemar=None)
    edge = verdict(0.2, 0.9, mcnemar=None, bootstrap95=(0.0, 0.2))
    assert "cannot be told apart" in edge and "95% interval +0.0 to +20.0" in edge


@pytest.mark.parametrize(
    ("p", "said"), [(0.00001, "< 0.0001"), (0.03121, "= 0.031"), (0.5, "= 0.5"), (0.999, "= 1"), (1, "= 1")]
)
def test_p_values_are_written_as_in_a_sentence(p, said):
    assert p_value(p) == said.replace(" ", "\u00a0")


def test_warnings_are_given_for_what_makes_the_figures_mean_less():
    fine = graded([sample(id=n) for n in range(100)]).results
    assert list(warnings(fine)) == []
    changes = {"contamination": 7, "cut_off_rate": 0.02, "no_answer_rate": 0.03, "strict": {"accuracy": 0.9}}
    for key, word in zip(
        changes, ("7 rows", "at the limit of 256 tokens", "no answer", "10.0 points lower"), strict=True
    ):
        (said,) = warnings({**fine, key: changes[key]})
        assert word in said


def test_contamination_stands_in_the_page(tmp_path):
    assert "Contaminated: it was trained on 12 rows" in text_of(page(tmp_path / "a", evaluation(contamination=12)))
    assert "Contaminated" not in text_of(page(tmp_path / "b", evaluation()))
    assert "not known" in text_of(page(tmp_path / "c", evaluation(contamination=None)))


def test_settings_that_differ_and_notes_stand_in_the_page(tmp_path):
    base, tuned = evaluation("base"), evaluation("tuned", settings=SETTINGS | {"shots": 5})
    text = text_of(page(tmp_path, base, tuned, comparisons=[compare(base, tuned)]))
    assert "The settings differ, which may be why the figures do. shots: 0 → 5." in text


def test_several_answers_are_counted_as_such():
    assert re.match(r"\d+ of 40 answers to 10 questions are right", measured(evaluation(n=10, k=4).results))


def test_rows_graded_without_a_model_have_a_page(tmp_path):
    one = graded([sample(id=n) for n in range(4)], dataset="answers.jsonl", checkpoint="", model="", settings={})
    bare = {k: v for k, v in one.results.items() if k not in ("timing", "tokens", "data", "contamination")}
    text = text_of(page(tmp_path, replace(one, results=bare)))
    assert "answers.jsonl" in text and "4 of 4 questions are right: 100.0%" in text


def test_the_command_that_gives_the_same_figures_names_what_is_not_default(tmp_path):
    said = {"shots": 5, "stop": ["\n\n", "Q:"], "calculator": True, "temperature": 0.0, "device": "cuda:0"}
    said |= {"extractor": "number", "system_prompt": "Think, then answer.", "weights_sha256": "ab", "style": "think"}
    one = evaluation(n=7, settings=said)
    line = (
        "reason eval sums:test --checkpoint runs/tuned/final --limit 7 --shots 5 --stop '\n\n' --stop Q: "
        "--extractor number --calculator --system-prompt 'Think, then answer.' --device cuda"
    )
    assert command(one.results) == line
    assert page(tmp_path, one).texts["pre"] == [line]


def test_every_flag_of_the_command_is_one_of_reason_eval():
    from support import run

    settings = {key.name: "x" for options in (EvalOptions, HardwareOptions) for key in keys_of("", options)}
    settings |= {"system_prompt": "x", "style": "x", "calculator": True, "report": False, "resume": False}
    for of_training in ("after_training", "vram", "vram_auto", "vram_safety_margin"):
        del settings[of_training]
    flags = {word for word in command(evaluation(n=3, settings=settings).results).split() if word.startswith("--")}
    known = run("eval", "--help").ok().out
    assert len(flags) > 12 and not [flag for flag in flags if flag not in known]


def test_an_ensemble_and_graded_rows_have_no_command(tmp_path):
    assert "reason eval" not in text_of(page(tmp_path, evaluation(n=3, checkpoint="")))


# --- markup ------------------------------------------------------------------------------------------------------


def test_markup_escapes_all_but_markup():
    made = element("p", "a<b>&", Html("<i>x</i>"), 3, class_='"q"', aria_label="l")
    assert made == '<p class="&quot;q&quot;" aria-label="l">a&lt;b&gt;&amp;<i>x</i>3</p>'
    assert join(["\ud800", "é"]) == "?é"
