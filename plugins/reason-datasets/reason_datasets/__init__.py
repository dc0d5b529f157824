"""Datasets that `reason` knows by name."""

from __future__ import annotations

from collections.abc import Iterable

from reason_cli import AnswerExtractor, DatasetFormatter, hookimpl
from reason_datasets.benchmarks import GSM8K, MATH, SVAMP, ASDiv, GSMHard, MultiArith, SQuAD2
from reason_datasets.columns import Columns
from reason_datasets.corpora import (
    GitHubCode,
    MathInstruct,
    MetaMath,
    NuminaMath,
    OpenMathInstruct,
    TheStack,
    UltraChat,
)
from reason_datasets.gsm_symbolic import GSMSymbolic
from reason_datasets.gym import GymAnswers, ReasoningGym
from reason_datasets.puzzles import GridAnswers, Maze, Sudoku
from reason_datasets.word_problems import WordProblems


@hookimpl
def register_datasets() -> Iterable[DatasetFormatter]:
    """The formatters of this plugin: made on the spot, to be graded on, to learn from, plain code, anything else."""
    made = (WordProblems(), GSMSymbolic(), ReasoningGym(), Sudoku(), Maze())
    graded = (GSM8K(), GSMHard(), SVAMP(), ASDiv(), MultiArith(), MATH(), SQuAD2())
    learned = (MathInstruct(), MetaMath(), OpenMathInstruct(), NuminaMath(), UltraChat())
    return [*made, *graded, *learned, TheStack(), GitHubCode(), Columns()]


@hookimpl
def register_extractors() -> Iterable[AnswerExtractor]:
    """The extractor that asks reasoning-gym's verifiers, and that of grids."""
    return [GymAnswers(), GridAnswers()]
