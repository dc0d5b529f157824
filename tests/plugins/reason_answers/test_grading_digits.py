"""The rules for numbers in digits, each with answers that are right and answers that are wrong."""

from __future__ import annotations

import pytest
from reason_answers.number import Number

number = Number()
MARK = "**Final Answer:** "

# Rule: answers as they stand behind a mark, the expected one, and whether the answer is right.
RULES: dict[str, list[tuple[str, str, bool]]] = {
    "case and spaces": [
        *[("72", "72", True), ("  72  ", "72", True), ("\t72", " 72 ", True), ("72 APPLES", "72 apples", True)],
        *[("007", "7", True), ("+72", "72", True), ("73", "72", False), ("7 2", "72", False), ("27", "72", False)],
        *[("720", "72", False), ("7", "72", False), ("", "72", False), ("none", "0", False)],
    ],
    "thousands separators": [
        *[("1,234", "1234", True), ("1 234", "1234", True), ("1\u00a0234", "1234", True)],
        *[("1\u202f234", "1234", True), ("1\u2009234", "1234", True), ("1'234", "1234", True)],
        *[("1\u2019234", "1234", True), ("1_234", "1234", True), ("1{,}234", "1234", True), ("1\\,234", "1234", True)],
        *[("1\\ 234", "1234", True), ("12,345,678", "12345678", True), ("12 345 678", "12345678", True)],
        *[("12\u202f345\u202f678", "12345678", True), ("1'234'567.50", "1234567.5", True), ("1_000_000", "1e6", True)],
        *[
            ("1 234,5", "1234.5", True),
            ("1 234 567,89", "1234567", False),
            ("1234", "1,234", True),
            ("1,234.50", "1234.5", True),
        ],
        *[("12,34,567", "1234567", True), ("1,00,000", "100000", True), ("1.234.567", "1234567", True)],
        *[("1.234.567,89", "1234567.89", True), ("1.234,56", "1234.56", True), ("1,234,", "1234", True)],
        *[("1,234, which is a lot", "1234", True), ("1,234 and no more", "1234", True)],
        *[("1,234", "1.234", False), ("1.234", "1234", False), ("1.234", "1.234", True), ("1,234", "1", False)],
        *[("1,234", "234", False), ("1,23", "123", False), ("12,34", "1234", False), ("1,2,3", "123", False)],
        *[("1,234,56", "123456", False), ("1,234,567", "1234", False), ("12 34", "1234", False)],
        *[("1 234 5", "12345", False), ("0,123", "123", False), ("1,2,3", "1", False), ("1.2.3", "1.2", False)],
        *[("5 100-meter races", "5", True), ("5 100-meter races", "5100", False)],
    ],
    "the decimal comma": [
        *[("1,5", "1.5", True), ("0,125", "0.125", True), ("12,50 €", "12.5", True), ("3,1416", "3.1416", True)],
        *[("1,5", "15", False), ("1,5", "1", False), ("1,5", "5", False), ("(1,5)", "1.5", False)],
        *[("1,500", "1.5", False), ("12,00", "1200", False), ("12,00", "12", True)],
    ],
    "trailing zeros and points": [
        *[("72.0", "72", True), ("72.00", "72", True), ("72.", "72", True), ("72.000", "72", True)],
        *[("10.", "10", True), ("1,200.00", "1200", True), (".5", "0.5", True), ("0.50", ".5", True)],
        *[("72...", "72", True), ("72!", "72", True), ("72;", "72", True), ("...72", "72", True)],
        *[("72.01", "72", False), ("72.1", "72", False), ("7.20", "72", False), ("10.", "1", False)],
        *[("100", "10.0", False), (".5", "5", False), ("0.05", "0.5", False), ("72.0001", "72", False)],
    ],
    "currency": [
        *[("$72", "72", True), ("72$", "72", True), ("\\$72", "72", True), ("$ 72", "72", True), ("€72", "72", True)],
        *[("72 €", "72", True), ("72\u00a0€", "72", True), ("£72", "72", True), ("¥7200", "7200", True)],
        *[("₹72", "72", True), ("USD 72", "72", True), ("72 USD", "72", True), ("USD72", "72", True)],
        *[("Rs. 500", "500", True), ("Rs.500", "500", True), ("Rs 500", "500", True), ("500 rupees", "500", True)],
        *[("72 dollars", "72", True), ("US$72", "72", True), ("$1,200.00", "1200", True), ("72 cents", "72", True)],
        *[("-$72", "-72", True), ("$-72", "-72", True), ("$72$", "72", True), ("$72 per day", "$72", True)],
        *[("EUR 1.234,50", "1234.5", True), ("＄72", "72", True), ("￡72", "72", True)],
        *[("$73", "72", False), ("$7.2", "72", False), ("-$72", "72", False), ("Rs.500", "0.5", False)],
        *[("$0.72", "72", False), ("€1,200", "12", False), ("$", "72", False), ("72$", "7", False)],
    ],
    "percent": [
        *[("50%", "50", True), ("50 %", "50", True), ("50\\%", "50", True), ("50 percent", "50", True)],
        *[("50 per cent", "50%", True), ("$50\\%$", "50", True), ("12.5%", "12.5", True), ("５０％", "50", True)],
        *[("50%", "0.5", False), ("0.5", "50%", False), ("5%", "50", False), ("50.5%", "50", False), ("%", "0", False)],
    ],
    "units": [
        *[("15 meters", "15", True), ("15m", "15", True), ("15 km/h", "15", True), ("15 m/s", "15", True)],
        *[("15 cm^2", "15", True), ("15 m²", "15", True), ("15cm2", "15", True), ("15 m2", "15", True)],
        *[("90°", "90", True), ("90^\\circ", "90", True), ("90^{\\circ}", "90", True), ("20 °C", "20", True)],
        *[("15\\text{ meters}", "15", True), ("15 \\mathrm{kg}", "15", True), ("5-year-old", "5", True)],
        *[("15 square feet", "15", True), ("72 marbles left", "72", True), ("3 times as many", "3", True)],
        *[("72 out of 100", "72", True), ("8 of the 12 apples", "8", True), ("5 hours a day", "5", True)],
        *[("15 meters", "16", False), ("15 m2", "2", False), ("15 cm^2", "225", False), ("15 km/h", "15.1", False)],
        *[("5 ft 3 in", "5", False), ("5 ft 3", "53", False), ("5'3\"", "5", False), ("3 times as many", "4", False)],
        *[("2 hours 30 minutes", "2", False), ("2 hours and 30 minutes", "30", False), ("72 out of 100", "100", False)],
        *[("2π", "2", False), ("2\\pi", "2", False), ("5\\sqrt{2}", "5", False), ("\\sqrt{16}", "16", False)],
        *[("2^{10}", "2", False), ("2^10", "10", False), ("7²", "7", False), ("x_2", "2", False), ("CO2", "2", False)],
    ],
    "signs": [
        *[("-5", "-5", True), ("\u22125", "-5", True), ("\u20135", "-5", True), ("－5", "-5", True)],
        *[("\u20105", "-5", True), ("minus 5", "-5", True), ("negative 5", "-5", True), ("x = -5", "-5", True)],
        *[("x = - 5", "-5", True), ("(-5)", "-5", True), ("$-5$", "-5", True), ("-5 degrees", "-5", True)],
        *[("-0.5", "-0.5", True), ("-1/2", "-0.5", True), ("-\\frac{1}{2}", "-1/2", True), ("-0", "0", True)],
        *[("-1,200", "-1200", True), ("-€5", "-5", True), ("temperature of -5", "-5", True)],
        *[("-5", "5", False), ("5", "-5", False), ("minus 5", "5", False), ("\u22125", "5", False)],
        *[("(5)", "-5", False), ("($500)", "-500", False), ("A-5", "-5", False), ("- 5 apples", "-5", False)],
        *[("-5", "-50", False), ("-1/2", "1/2", False), ("it is 5 - the same", "-5", False)],
    ],
    "fractions": [
        *[("3/4", "0.75", True), ("3 / 4", "0.75", True), ("3\u20444", "0.75", True), ("6/8", "3/4", True)],
        *[("1 1/2", "1.5", True), ("1 and 1/2", "1.5", True), ("1½", "1.5", True), ("1 ½", "1.5", True)],
        *[("½", "0.5", True), ("⅔", "2/3", True), ("⅓ cup", "1/3", True), ("¾", "3/4", True), ("2⅜", "2.375", True)],
        *[("\\frac{3}{4}", "0.75", True), ("\\dfrac{3}{4}", "3/4", True), ("\\frac34", "0.75", True)],
        *[("\\frac{ 3 }{ 4 }", "0.75", True), ("1\\frac{1}{2}", "1.5", True), ("1 \\frac12", "3/2", True)],
        *[("3/4.", "0.75", True), ("3/4 of a cup", "0.75", True), ("1 1/2 hours", "1.5", True), ("72/1", "72", True)],
        *[("2 and a half", "2.5", True), ("3 and one third", "10/3", True), ("\\tfrac{-1}{2}", "-0.5", True)],
        *[
            ("3/4", "3", False),
            ("3/4", "4", False),
            ("3/4", "4/3", False),
            ("3/4", "34", False),
            ("1/3", "0.33", False),
        ],
        *[("1 1/2", "1", False), ("1 1/2", "11/2", False), ("1½", "1", False), ("½", "1", False), ("½", "2", False)],
        *[("3/0", "3", False), ("1/2/2024", "0.5", False), ("\\frac34", "34", False), ("⅔", "0.67", False)],
        *[("1 3/0", "1", False), ("\\frac{3}{0}", "3", False)],
    ],
    "powers and scientific notation": [
        *[("1e3", "1000", True), ("1E3", "1000", True), ("1.2e3", "1200", True), ("2.5e-2", "0.025", True)],
        *[
            ("1.2 × 10^3", "1200", True),
            ("1.2x10^3", "1200", True),
            ("1.2*10**3", "1200", True),
            ("1.2·10³", "1200", True),
        ],
        *[("1.2 \\times 10^{3}", "1200", True), ("1.2 \\cdot 10^3", "1200", True), ("10⁶", "1000000", True)],
        *[("10^6", "1000000", True), ("10**6", "1e6", True), ("3 × 10⁻²", "0.03", True), ("10^{-2}", "0.01", True)],
        *[("1e3", "1", False), ("1e3", "3", False), ("1.2 × 10^3", "1.2", False), ("1.2 × 10^3", "12000", False)],
        *[("10⁶", "10", False), ("10⁶", "106", False), ("10^6", "6", False), ("1e-3", "1000", False)],
        *[("1e999", "1", False), ("10^999", "10", False), ("9**9**9", "387420489", False)],
    ],
    "full width": [
        *[("７２", "72", True), ("－７２", "-72", True), ("１，２３４", "1234", True), ("７．５", "7.5", True)],
        *[("＄７２．００", "72", True), ("７２％", "72", True), ("３／４", "0.75", True), ("７２", "73", False)],
        *[("－７２", "72", False), ("７．５", "75", False), ("١٢", "12", False)],
    ],
    "markdown and LaTeX": [
        *[("**72**", "72", True), ("*72*", "72", True), ("__72__", "72", True), ("_72_", "72", True)],
        *[("`72`", "72", True), ("***72***", "72", True), ("**$72**", "72", True), ("**72** marbles", "72", True)],
        *[("$72$", "72", True), ("$$72$$", "72", True), ("\\(72\\)", "72", True), ("\\[72\\]", "72", True)],
        *[("\\boxed{72}", "72", True), ("$\\boxed{72}$", "72", True), ("\\text{72}", "72", True)],
        *[("\\mathrm{72}", "72", True), ("\\mathbf{72}", "72", True), ("\\textbf{72 apples}", "72", True)],
        *[
            ("\\boxed{\\text{72 apples}}", "72", True),
            ("\\boxed{\\$1{,}234}", "1234", True),
            ("\\approx 72", "72", True),
        ],
        *[
            ("\\approx72", "72", True),
            ("~72", "72", True),
            ("<b>72</b>", "72", True),
            ('"72"', "72", True),
            ("'72'", "72", True),
        ],
        *[("$$\n72\n$$", "72", True), ("\\[\n\\boxed{72}\n\\]", "72", True), ("```\n72\n```", "72", True)],
        *[("**73**", "72", False), ("$\\boxed{7}2$", "72", False), ("**7**2", "72", False), ("\\boxed{}", "72", False)],
        *[("\\text{none}", "72", False), ("`7.2`", "72", False)],
    ],
}
CASES = [(rule, *case) for rule, cases in RULES.items() for case in cases]


@pytest.mark.parametrize(("rule", "answer", "gold", "right"), CASES)
def test_the_rule(rule: str, answer: str, gold: str, right: bool) -> None:
    found = number.extract(MARK + answer)
    assert bool(found and number.equal(found.value, gold)) is right, found


@pytest.mark.parametrize(("rule", "answer", "gold", "right"), CASES)
def test_the_span_says_the_value(rule: str, answer: str, gold: str, right: bool) -> None:
    found = number.extract(MARK + answer)
    if found:
        start, end = found.span
        assert number.equal("= " + (MARK + answer)[start:end], found.value), found


def test_each_rule_has_right_and_wrong_answers() -> None:
    for rule, cases in RULES.items():
        assert {right for _, _, right in cases} == {True, False}, rule
    assert len(CASES) >= 250
