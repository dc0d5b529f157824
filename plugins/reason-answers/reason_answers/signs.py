"""Characters that are another one in disguise: full-width digits, the spaces that group digits, minus signs.

Every one is replaced by a single character, so that a place in the plain text is the same place in the text.
"""

from __future__ import annotations

_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
# Hyphens, the figure and the en dash, the minus sign. Not the em dash: it divides sentences.
_MINUSES = "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
_QUOTES = "\u2018\u2019\u02bc\u2032"
_SLASHES = "\u2044\u2215\u29f8"

_PLAIN = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},  # full-width ASCII
    **dict.fromkeys(map(ord, _SPACES), " "),
    **dict.fromkeys(map(ord, _MINUSES), "-"),
    **dict.fromkeys(map(ord, _QUOTES), "'"),
    **dict.fromkeys(map(ord, _SLASHES), "/"),
    0xFFE1: "£",
    0xFFE5: "¥",
}


def plain(text: str) -> str:
    """The same text, as long, with these characters in their plain form."""
    return text if text.isascii() else text.translate(_PLAIN)
