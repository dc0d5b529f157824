"""`asdiv`: word problems of six school years.

Answers are a number and, in brackets, its unit: `9 (apples)`. Rows with several answers, ratios, times of day or
words are left out. The config, the one split of 2,305 rows and the columns are from the dataset's card.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reason_cli import Example
from reason_datasets.fields import shortest, tags_of, text_of

NUMBER = r"(-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/[1-9]\d*)?)(?:\s*\([^()]*\))?"


def read(row: Mapping[str, Any], options: Any) -> Example | None:
    """What a row says; `None` if its answer is not one number."""
    question = f"{text_of(row, 'body')} {text_of(row, 'question')}"
    number = re.fullmatch(NUMBER, text_of(row, "answer"), re.ASCII)
    if number is None:
        return None
    return Example(question, "", shortest(number[1].replace(",", "")), tags_of(row, "solution_type"))
