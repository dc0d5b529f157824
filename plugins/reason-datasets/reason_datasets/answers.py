"""Where a written solution states its answer. Reads solutions of datasets, not what models say."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])[ \t]{0,3}")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_ANSWER_IS = re.compile(r"\b(?:final\s+)?answer\s+is\s*:?", re.IGNORECASE)
_THE = re.compile(r"(?:^|\n)[ \t]*(?:(?:so|thus|hence|therefore),?[ \t]+)?(?:the[ \t]+)?$", re.IGNORECASE)
_HASH_LINE = re.compile(r"\n?[ \t]{0,3}####[^\n]*\s*\Z")
LONGEST = 120  # characters: what is longer is no answer but a sentence about one


def boxed(solution: str) -> str:
    r"""What the last `\boxed{…}` or `\fbox{…}` holds, its braces balanced, or the word after `\boxed `; else empty."""
    start = -1
    for box in _BOX.finditer(solution):
        start = box.end()
    if start < 0:
        return ""
    if not solution.startswith("{", start):
        return solution[start:].split("$")[0].strip().split(" ")[0].rstrip(".,")
    depth = 0
    for brace in _BRACE.finditer(solution, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return solution[start + 1 : brace.start()].strip()
    return ""


def split_marked(solution: str) -> tuple[str, str]:
    """What stands before the last "the answer is", and the answer after it; ("", "") if there is none to be read.

    A line of its own is taken off the reasoning; within a sentence the mark stays, for the sentence to be whole.
    """
    start = end = -1
    for mark in _ANSWER_IS.finditer(solution):
        start, end = mark.span()
    answer = tidy(solution[end:].strip().split("\n")[0]) if end >= 0 else ""
    if not answer or len(answer) > LONGEST:
        return "", ""
    opening = _THE.search(solution[:start])
    return without_hash(solution[: opening.start()] if opening else solution), answer


def without_hash(solution: str) -> str:
    """A solution without a last line `#### N`."""
    return _HASH_LINE.sub("", solution).strip()


def tidy(answer: str) -> str:
    r"""An answer without the full stop, the stars, the dollars or the `\(…\)` around it."""
    answer = answer.strip().strip("*").strip()
    answer = answer[:-1].rstrip() if answer.endswith(".") else answer
    for opening, closing in (("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        inner = answer[len(opening) : len(answer) - len(closing)]
        if len(answer) > len(opening + closing) and answer == f"{opening}{inner}{closing}" and opening not in inner:
            answer = inner.strip()
    return answer
