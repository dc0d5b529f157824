"""Which parts of a text may hold the answer, and the last match in one. Knows no numbers."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

Span = tuple[int, int]

# So many parts between and after stretches of thinking are looked at, the last ones first.
PARTS = 8

# Each alternative opens with a fixed character, which lets the scan skip the others.
_TURNS = re.compile(
    r"[<\[](?P<closing>/?)(?i:think|thinking|thoughts?|reasoning|scratchpad|reflection)[>\]]"
    # An end-of-turn token, or the start of another turn.
    r"|(?P<token><\|(?i:im_start|im_end|endoftext|end_of_text|eot_id|eom_id|end|start_header_id|user|system)\|>"
    r"|</s>|<(?:start|end)_of_turn>|<eos>|\[/?INST\]|<\uff5c(?:end\u2581of\u2581sentence|User)\uff5c>)"
    # A line that opens another question, or a heading that does.
    r"|\n(?P<words>[ \t>*#_]{0,12}(?=[QqPpEeIiHhUuSsNn])(?i:(?:new|next)[ \t])?"
    r"(?i:question|problem|exercise|instruction|human|user|system|q)(?:[ \t]{0,2}#?\d{1,4})?[*_]{0,3}[ \t]?:"
    r"|#{1,6}[ \t*]{0,6}(?i:question|problem|exercise|instruction|human|user|input)"
    r"(?:[ \t]{0,2}#?\d{1,4})?[*.]{0,4}[ \t]{0,8}$)",
    re.MULTILINE,
)

_INK = re.compile(r"\S")


def regions(text: str) -> Iterator[Span]:
    """Where to look, the best place first: what stands outside the thinking, the last of it first, then the turn."""
    end, outside = _turn(text)
    yield from reversed(outside)
    yield 0, end


def last_match(pattern: re.Pattern[str], text: str, start: int, end: int) -> re.Match[str] | None:
    """The last match of `pattern` in `text[start:end]`, in one pass."""
    return next(iter(deque(pattern.finditer(text, start, end), maxlen=1)), None)


def _turn(text: str) -> tuple[int, list[Span]]:
    """Where the first turn that says something ends, and its parts outside the thinking; none if it never thinks.

    The thinking may name a question without being cut off there, provided that it comes to its end.
    """
    outside: deque[Span] = deque(maxlen=PARTS)
    depth, begin = 0, 0  # open tags; where the part outside them began
    thinks = False
    first = _first(text, 0)
    named: int | None = None  # where another question seems to begin
    for match in _TURNS.finditer(text):
        at = match.start()
        if match["token"]:
            if at > first:
                return _parts(text, at if named is None else named, begin, depth, outside)
        elif match["words"]:
            named = at if named is None and at > first else named
            if named is not None and thinks and not depth:
                break
        elif not match["closing"]:
            if named is not None and not depth:
                break  # the next question's thinking
            if not depth:
                _add(text, outside, begin, at)
            first = _first(text, match.end()) if at <= first else first
            depth, thinks = depth + 1, True
        elif depth > 1:
            depth -= 1
        else:  # outside again; where no tag opened it, as when the prompt did, all before was thinking
            if not depth:
                outside.clear()
            depth, named, begin, thinks = 0, None, match.end(), True
    return _parts(text, len(text) if named is None else named, begin, depth, outside)


def _parts(text: str, end: int, begin: int, depth: int, outside: deque[Span]) -> tuple[int, list[Span]]:
    if not depth and begin:
        _add(text, outside, begin, end)
    return end, list(outside)


def _add(text: str, outside: deque[Span], start: int, end: int) -> None:
    if start < end and not text[start:end].isspace():
        outside.append((start, end))


def _first(text: str, start: int) -> int:
    """Where something stands after `start`."""
    match = _INK.search(text, start)
    return match.start() if match else len(text)
