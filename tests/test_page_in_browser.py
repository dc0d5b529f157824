"""The report opened in a headless Chromium: what a person sees, and what the browser is asked to fetch."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest
from support import ROOT

sys.path.insert(0, str(ROOT / "tests" / "engine"))
from made_evaluations import evaluation, graded, sample

from reason_cli.engine.comparison import compare
from reason_cli.engine.page import write_page
from reason_cli.engine.plots import plots

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync"),
]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: apt-get install it")
ROW, OPENED = "tr.sample", "tr.detail"


@dataclass
class Opened:
    """A page in the browser, what it asked for, and what the browser complained about."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def rows(self):
        return self.page.locator(ROW).count()

    def expect(self, locator):
        from playwright.sync_api import expect

        return expect(locator)

    def press(self, name):
        self.page.locator(f"[data-verdict={name}]").click()

    def count(self):
        return self.page.locator("#count").inner_text()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, tmp_path, monkeypatch):
    """Opens the report of some evaluations with its first plots.

    At the end nothing but the file was asked for, and nothing complained.
    """
    visits = []

    def visit(*evaluations, comparisons=(), width=1280, scheme="light", most=1):
        monkeypatch.setattr("reason_cli.engine.page.plots", lambda *given: plots(*given)[:most])
        path = write_page(tmp_path / str(len(visits)), list(evaluations), list(comparisons))
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened = Opened(page)
        visits.append((opened, path))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.on("console", lambda message: opened.complaints.append(message.text))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (opened.complaints.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        return opened

    yield visit
    for opened, path in visits:
        opened.page.wait_for_timeout(20)
        assert opened.requests == [path.as_uri()]
        assert opened.complaints == []
        opened.page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_plots_are_there_and_nothing_is_wider_than_the_page(visit, width, scheme):
    opened = visit(evaluation(), width=width, scheme=scheme, most=20)
    figures = opened.page.locator("figure")
    assert figures.count() > 5
    for n in range(figures.count()):
        svg = figures.nth(n).locator("svg")
        box = svg.bounding_box()
        assert box["width"] > min(300, width * 0.7) and box["height"] > 60, figures.nth(n).inner_text()
        inked = svg.locator("path, use").evaluate_all("marks => marks.filter((m) => m.getBBox().width > 0).length")
        assert inked > 3 and svg.locator("text").count() > 3
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width


def test_plots_take_the_colours_of_the_scheme(visit):
    shades = []
    for scheme in ("light", "dark"):
        page = visit(evaluation(n=10), scheme=scheme).page
        paint = "(node) => getComputedStyle(node)"
        text = page.locator("#plot-accuracy svg text").first.evaluate(f"{paint}.fill")
        paper = page.locator("#plot-accuracy").evaluate(f"{paint}.backgroundColor")
        shades.append((sum(rgb(text)), sum(rgb(paper))))
    (light_text, light_paper), (dark_text, dark_paper) = shades
    assert light_text < 400 < light_paper and dark_paper < 400 < dark_text


def rgb(colour):
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]


def test_filters_leave_the_rows_that_they_name(visit):
    one = evaluation(n=40)
    opened = visit(one)
    assert opened.rows() == 40
    expected = {
        "right": sum(s.correct for s in one.samples),
        "wrong": sum(not s.correct for s in one.samples),
        "none": sum(s.predicted is None for s in one.samples),
        "cut": sum(not s.finished for s in one.samples),
    }
    assert all(expected.values())
    for name, count in expected.items():
        opened.press(name)
        assert opened.rows() == count
        assert opened.count() == f"{count} of 40 samples."
        assert opened.page.locator(f"[data-verdict={name}] b").inner_text() == str(count)
    opened.press("all")
    opened.page.get_by_label("Strategy").select_option("phrase")
    assert opened.rows() == sum(s.strategy == "phrase" for s in one.samples) > 0
    opened.page.get_by_label("level").select_option("hard")
    both = [s for s in one.samples if s.strategy == "phrase" and s.tags["level"] == "hard"]
    assert opened.rows() == len(both) > 0
    opened.press("right")
    assert opened.rows() == sum(s.correct for s in both)


def test_slips_and_words_are_filters_too(visit):
    one = evaluation(n=40)
    opened = visit(one)
    opened.page.get_by_label("What went wrong").select_option("arithmetic")
    assert opened.rows() == one.results["errors"]["slips"]["arithmetic"] > 0
    opened.page.get_by_label("What went wrong").select_option("")
    opened.page.get_by_label("Search").fill("AGAIN. level:easy")
    opened.expect(opened.page.locator("#count")).not_to_have_text("40 of 40 samples.")
    assert opened.rows() == sum("Again. " in s.output and s.tags["level"] == "easy" for s in one.samples) > 0
    opened.page.get_by_label("Search").fill("nothing has this")
    opened.page.wait_for_selector(".nothing")
    assert opened.rows() == 0 and opened.count() == "0 of 40 samples."


def test_a_row_opens_and_the_answer_that_was_read_is_marked(visit):
    one = evaluation(n=12, skill=0.5)
    opened = visit(one)
    for n, answered in enumerate(one.samples):
        opened.page.locator(".opener").nth(n).click()
        detail = opened.page.locator(OPENED)
        assert detail.locator(".output").text_content() == answered.output
        marks = detail.locator("mark").all_text_contents()
        assert marks == ([answered.predicted] if answered.predicted else [])
        text = detail.text_content()
        assert all(part in text for part in (answered.question, answered.expected, answered.reasoning))
        opened.page.locator(".opener").nth(n).click()
        assert opened.page.locator(OPENED).count() == 0


def test_the_keyboard_is_enough(visit):
    opened = visit(evaluation(n=5))
    page = opened.page
    page.locator(".opener").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator(".opener").nth(1).get_attribute("aria-expanded") == "true"
    assert page.locator(OPENED).count() == 1
    page.get_by_role("button", name="Tokens").focus()
    page.keyboard.press("Space")
    assert page.locator("th[aria-sort]").inner_text().startswith("Tokens")
    assert page.evaluate("document.activeElement.textContent") == "Tokens"


def test_columns_sort_numbers_as_numbers(visit):
    samples = [sample(id=n, expected=str(value), tokens=value) for n, value in enumerate((9, 100, -5, 31))]
    opened = visit(graded(samples))
    for head in ("Expected", "Tokens"):
        for order in (["-5", "9", "31", "100"], ["100", "31", "9", "-5"]):
            opened.page.get_by_role("button", name=head).click()
            assert opened.page.locator(f"{ROW} .{head.lower()}").all_inner_texts() == order


def test_models_stand_side_by_side_with_what_was_corrected_and_broken(visit):
    base, tuned = evaluation("base", 0.4, n=40), evaluation("tuned", 0.7, n=40)
    comparison = compare(base, tuned)
    opened = visit(base, tuned, comparisons=[comparison])
    for name, ids in (("corrected", comparison.corrected), ("broken", comparison.broken)):
        opened.press(name)
        assert opened.page.locator(".opener").all_inner_texts() == [str(n) for n in ids] and ids
    opened.page.locator(".opener").first.click()
    first = comparison.broken[0]
    shown = opened.page.locator(f"{OPENED} .output").all_text_contents()
    assert shown == [base.samples[first].output, tuned.samples[first].output]
    opened.press("right")
    assert opened.rows() == tuned.results["correct"]
    opened.page.get_by_label("Filters look at").select_option("base")
    assert opened.rows() == base.results["correct"]


def test_each_answer_to_a_question_has_a_row_and_many_rows_have_pages(visit):
    one = evaluation(n=30, k=4)
    opened = visit(one)
    assert opened.rows() == 50 and opened.count() == "120 of 120 samples."
    opened.page.get_by_role("button", name="Next").click()
    opened.page.get_by_role("button", name="Next").click()
    assert opened.page.locator(".opener").all_inner_texts() == [f"{n}·{k}" for n in range(25, 30) for k in range(4)]
    opened.press("wrong")
    wrong = sum(not s.correct for s in one.samples)
    assert opened.count() == f"{wrong} of 120 samples." and opened.page.locator("#pages").inner_text().count(
        "Page 1 of"
    )


def test_hostile_texts_are_shown_and_do_nothing(visit):
    text = "</script><script>alert(1)</script><img src=http://127.0.0.1:9/x onerror=alert(2)><!--\u2028'\"<b>bold</b>"
    fields = dict.fromkeys(("question", "expected", "reasoning", "predicted", "output", "strategy"), text)
    samples = [sample(id=n, span=(0, len(text)), tags={text: n % 2}, **fields) for n in range(4)]
    opened = visit(graded(samples, text, dataset=text, checkpoint=text, settings={text: text}))
    opened.page.locator(".opener").first.click()
    assert opened.page.locator("mark").text_content() == text
    assert opened.page.locator("h1").text_content() == text
    assert opened.page.locator("img").count() == 0 and "bold" not in opened.page.locator("b").all_text_contents()
    assert opened.page.evaluate("document.scripts.length") == 2


def test_the_page_says_how_many_samples_it_holds(visit, monkeypatch):
    monkeypatch.setattr("reason_cli.engine.page.samples.MOST_CHARACTERS", 10_000)
    opened = visit(evaluation(n=60))
    shown = opened.rows()
    assert 5 < shown < 50
    assert f"This page holds {shown} of the 60 questions" in opened.count()
