"""The commands, names and signs that are known in a mathematical answer, and the one name of each."""

from __future__ import annotations


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


FUNCTIONS = _set("sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan asin acos atan exp ln log lg")
GREEK = _set(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell hbar pi infty"
)
SEPARATING = _set("or and")
# Commands that plain text and \text{} name without a backslash.
BARE_COMMANDS = _set("sqrt pi infinity inf infty")
MONEY = {"$": "dollar", "€": "€", "£": "£", "¥": "¥", "%": "percent"}
# Styles in which a letter is a symbol; in the others it may be a unit.
ITALIC = _set("mathbf mathit mathsf mathtt boldsymbol bm")
UPRIGHT_CONSTANTS = _set("e i d")
# Commands and signs that the parser knows under their own name.
SIGNS = _set(
    r"+ - * / ^ _ ! = < > <= >= != ( ) [ ] { } | , ; : & ' \{ \} frac sqrt binom cup in pm mp emptyset circ "
    "langle rangle lfloor rfloor lceil rceil mathbb R prime mid choose"
)
_SYNONYMS = {
    "*": "cdot times ast cdotp · × ∗ ⋅",
    "/": "div ÷",
    "<=": "le leq leqslant ≤",
    ">=": "ge geq geqslant ≥",
    "!=": "ne neq ≠",
    "<": "lt",
    ">": "gt",
    "=": "approx equiv ≈ ==",
    "-": "− –",
    ":": "colon",
    "^": "**",
    "|": "vert lvert rvert",
    "[": "lbrack",
    "]": "rbrack",
    r"\{": "lbrace",
    r"\}": "rbrace",
    "pm": "±",
    "mp": "∓",
    "cup": "∪ bigcup",
    "in": "∈",
    "sqrt": "√",
    "frac": "dfrac tfrac cfrac",
    "binom": "dbinom tbinom",
    "emptyset": "varnothing ∅",
    "circ": "degree textdegree °",
    "langle": "⟨",
    "rangle": "⟩",
    "or": "lor vee",
    "and": "land wedge",
    "infty": "∞ infinity inf",
    "pi": "π",
}
ONE_NAME = {synonym: name for name, synonyms in _SYNONYMS.items() for synonym in synonyms.split()}
