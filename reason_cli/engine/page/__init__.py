"""The report of evaluations: one page that needs nothing but itself, and the plots beside it as PNG.

Texts that models wrote are never markup: what Python writes is escaped, and the samples stand in the page as JSON,
from which its script builds text nodes only. The page's policy lets it load nothing and run nothing but its own
script and style, by their hashes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from reason_cli.engine.page.figures import Sheet
from reason_cli.engine.page.markup import join
from reason_cli.engine.page.samples import samples_json
from reason_cli.engine.page.settings import settings
from reason_cli.engine.page.summary import footer, header, title
from reason_cli.engine.plots import plots
from reason_cli.engine.plots.plot import labelled
from reason_cli.runs import write_text

if TYPE_CHECKING:
    from reason_cli.engine.comparison import Comparison
    from reason_cli.engine.graded import Graded

REPORT = "report.html"


def write_page(folder: Path, graded: Sequence[Graded], comparisons: Sequence[Comparison]) -> Path:
    """Write `report.html` of these evaluations of the same questions into `folder`, and each plot as a PNG.

    `comparisons` are of the first evaluation with others. The same input gives the same bytes. Returns the page's
    path. Raises `ReasonError` when the evaluations are of different questions.
    """
    models = labelled(graded)
    drawn = plots(models, comparisons)
    sheet = Sheet()
    figures = "\n".join(sheet.figure(plot) for plot in drawn)
    style, script = _own("page.css") + sheet.css(), _own("page.js")
    text = Template(_own("page.html")).substitute(
        policy=_policy(script, style),
        title=join([title(models)]),
        style=style,
        header=header(models, comparisons),
        figures=figures,
        settings=settings(models),
        footer=footer(),
        data=samples_json(models, comparisons),
        script=script,
    )
    folder.mkdir(parents=True, exist_ok=True)
    for plot in drawn:
        (folder / f"{plot.name}.png").write_bytes(plot.png())
    write_text(folder / REPORT, text)
    return folder / REPORT


def _own(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _policy(script: str, style: str) -> str:
    """What the browser is told to allow: this script, this style, and nothing from anywhere."""
    hashes = {kind: f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
              for kind, text in (("script", script), ("style", style))}  # fmt: skip
    return (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
