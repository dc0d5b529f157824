"""Units of measure. They are marks around a value, not part of it; but 5 cm is not 5 m."""

from __future__ import annotations

_ALIASES = {
    "cm": "centimeter centimeters centimetre centimetres",
    "mm": "millimeter millimeters millimetre millimetres",
    "km": "kilometer kilometers kilometre kilometres",
    "m": "meter meters metre metres",
    "in": "inch inches",
    "ft": "foot feet",
    "yd": "yard yards",
    "mi": "mile miles",
    "kg": "kilogram kilograms",
    "g": "gram grams",
    "mg": "milligram milligrams",
    "lb": "lbs pound pounds",
    "oz": "ounce ounces",
    "ml": "mL milliliter milliliters",
    "L": "liter liters litre litres",
    "s": "sec second seconds",
    "min": "minute minutes",
    "h": "hr hrs hour hours",
    "day": "days",
    "week": "weeks",
    "month": "months",
    "year": "years",
    "mph": "miles per hour",
    "km/h": "kilometers per hour",
    "m/s": "meters per second",
    "dollar": "dollars",
    "cent": "cents",
    "percent": "",
    "degree": "degrees",
    "am": "a.m.",
    "pm": "p.m.",
}
SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PHRASES = {"mph", "km/h", "m/s"}  # whose only alias is of several words

# What a text calls a unit → the one name for it.
NAMES = {
    alias: unit
    for unit, aliases in _ALIASES.items()
    for alias in (unit, *([aliases] if unit in _PHRASES else aliases.split()))
}
# Read as units without a space before them: 5cm.
ATTACHED = frozenset({"cm", "mm", "km", "kg", "ft", "lb", "lbs", "mph"})


def known(words: str) -> str | None:
    """The one name of a unit; areas and volumes have that of the length; `None` for words that are not known."""
    plain = [word for word in words.strip(" .").split() if word not in ("square", "cubic", "sq", "sq.", "cu.")]
    phrase = " ".join(plain)
    return NAMES.get(phrase) or NAMES.get(phrase + ".") or NAMES.get(phrase.lower())
