"""`reasoning-gym`: the answer as it stands after its mark, judged by the verifier of the task that asked."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from reason_cli import Example, Extraction

TURN_ENDS = r"<\|(?:im_start|im_end|endoftext|eot_id|end)\|>"
FINAL = r"\bfinal[ \t_]{1,3}answer(?:\*{0,3}[ \t]{0,3}[:=]\*{0,3}|\*{1,3})"
LONGEST = 20_000  # characters that a verifier is asked about

# Some verifiers hand the answer to sympy, which evaluates it: calls that are no mathematics and powers that would
# never be done are not for them.
HARMFUL = (
    r"__|\blambda\b|\bimport\b|\*\*[\s(]*\d{4}|\*\*[\s(]*[\w.]+\s*\*\*|\b(?:open|exec|eval|compile|input|exit|quit|print|vars|dir"
    r"|getattr|setattr|delattr|globals|locals|breakpoint|factorial|memoryview|id|hash)\s*\(|\d\s*!"
)


def extract(text: str) -> Extraction | None:
    """All that follows `**Final Answer:**` or `####`, what `<answer>` or a box holds, else the last line."""
    end = next((m.start() for m in re.finditer(TURN_ENDS, text) if text[: m.start()].strip()), len(text))
    thought = text.rfind("</think>", 0, end)
    starts = [0] if thought < 0 else [thought + len("</think>"), 0]
    return next((found for start in starts if (found := _find(text, start, end))), None)


def correct(predicted: str, example: Example) -> bool:
    """Whether the verifier of the example's task gives the full score; no harmful text gets there."""
    if len(predicted) > LONGEST or re.search(HARMFUL, predicted):
        return False
    try:
        return bool(_verifier(example.reference["task"]).score_answer(predicted, example.reference["entry"]) >= 1.0)
    except Exception:  # verifiers stumble over answers that they did not expect: those are wrong
        return False


@lru_cache(maxsize=8)
def _verifier(task: str) -> Any:
    from reason_datasets.gym_rows import reasoning_gym

    return reasoning_gym().create_dataset(task, seed=0, size=1)


def _find(text: str, start: int, end: int) -> Extraction | None:
    region = text[start:end]
    final = _last(re.finditer(FINAL, region, re.IGNORECASE))
    closing = region.rfind("</answer>")
    opening = region.rfind("<answer>", 0, max(closing, 0))
    mark = region.rfind("####")
    box = _last(re.finditer(r"\\boxed\{([^{}]*)\}", region))
    line = len(region.rstrip())
    places = (
        ("final-answer", (final.end(), len(region)) if final else None),
        ("answer-tag", (opening + len("<answer>"), closing) if opening >= 0 else None),
        ("hash", (mark + len("####"), len(region)) if mark >= 0 else None),
        ("boxed", box.span(1) if box else None),
        ("last-line", (region.rfind("\n", 0, line) + 1, line)),
    )
    for strategy, place in places:
        value = region[slice(*place)].strip() if place else ""
        if place and value:
            begin = start + region.index(value, place[0])
            return Extraction(value, strategy, (begin, begin + len(value)))
    return None


def _last(matches: Iterator[re.Match[str]]) -> re.Match[str] | None:
    return next(iter(deque(matches, maxlen=1)), None)
