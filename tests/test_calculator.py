"""Arithmetic on what a model writes: exact, and never run as code."""

from __future__ import annotations

import pytest

from reason_cli import calculate
from reason_cli.calculator import MOST_DEPTH, evaluate

# --- arithmetic ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("48/2", "24"),
        ("1+2*3-4", "3"),
        ("(1+2)*3", "9"),
        ("2-3-4", "-5"),
        ("16/4/2", "2"),
        ("-2*-3", "6"),
        ("--2", "2"),
        ("+7", "7"),
        ("2*(3-(4-5))", "8"),
        (" 48 / 2 ", "24"),
        ("0.1+0.2", "0.3"),
        ("5*.01", "0.05"),
        ("-.5", "-0.5"),
        ("1.50*2", "3"),
        ("1,200*2", "2400"),
        ("1,234,567.5+0", "1234567.5"),
        ("$5*2", "10"),
        ("-$5", "-5"),
        ("20%*50", "10"),
        ("(10+10)%", "0.2"),
        ("3x4", "12"),
        ("3 × 4 ÷ 2 − 1", "5"),
        ("561//10", "56"),
        ("0-0", "0"),
        ("1/1024", "0.0009765625"),
        ("1/3", "0.333333"),
        ("-2/3", "-0.666667"),
        ("1/3*3", "1"),
        ("999999999999999", "999999999999999"),
    ],
)
def test_an_expression_has_its_exact_value(expression, value):
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        *("", " ", "()", "(1", "1)", "*5", "5*", "5 5", "1.5.2", "5.", "2(3)", "1,20", "1,2000", "7%3", "%"),
        *("a", "1e5", "1_000", "2**3", "2^3", "٣+1", "0b1", "__import__('os')", "nan", "1=1", "\n"),
        *("1/0", "1//0", "1/(2-2)", "9999999999999999", "-1000000*1000000000", "1/3000000", "1" * 201),
    ],
)
def test_what_has_no_value_has_none(expression):
    assert evaluate(expression) is None


def test_nesting_is_bounded():
    nested = "(" * MOST_DEPTH + "1" + ")" * MOST_DEPTH
    assert evaluate(nested) == "1"
    assert evaluate(f"({nested})") is None
    assert evaluate("-" * 150 + "1") is None


def test_plugins_calculate_by_the_same_rules():
    assert calculate("48/2") == evaluate("48/2") == "24" and calculate("__import__('os')") is None
