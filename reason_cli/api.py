"""The contracts between the core and its plugins, and the values that pass between them.

Importing this module is cheap: no torch, no transformers, no input or output.
A plugin subclasses `Architecture`, `DatasetFormatter` or `AnswerExtractor` and hands instances to the
matching hook of `reason_cli.hookspecs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def option(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] = (),
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """One setting, written once: flags, TOML keys, `--set`, the reference and `run.toml` derive from it.

    The field's annotation must be `bool`, `int`, `float`, `str` or `tuple[str, ...]`.
    `minimum` and `maximum` are inclusive bounds of a number.
    """
    metadata = {"help": help, "choices": tuple(choices), "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class NoOptions:
    """The `Options` of a plugin object that has none."""


# --- what passes between the rooms -----------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A question, how it is solved, and its answer.

    `tags` are facts about the question (such as `{"steps": 3}`); evaluation breaks accuracy down by each.
    """

    question: str
    reasoning: str
    answer: str
    tags: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Text:
    """A plain document: trained on whole, nothing masked."""

    text: str


@dataclass(frozen=True)
class Extraction:
    """An answer found in a text: its value, the strategy that found it, and where it stands."""

    value: str
    strategy: str
    span: tuple[int, int]


@dataclass(frozen=True)
class Hub:
    """Where a dataset's rows live on the Hugging Face hub.

    `splits` maps the split names that people type to the hub's own; `config` is the hub's subset.
    """

    id: str
    config: str = ""
    splits: Mapping[str, str] = field(default_factory=lambda: {"train": "train", "test": "test"})


@dataclass(frozen=True)
class Estimate:
    """What a model costs, computed from its options alone.

    `parameters` is the exact count (tied weights once); `activation_bytes` is the float32 memory that one
    training step keeps for the backward pass at the given micro-batch and length, logits included.
    """

    parameters: int
    activation_bytes: int


class BadRow(ValueError):
    """A dataset row that cannot be read; its message is the reason, shown beside file and line."""


# --- contracts -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArchitectureOptions:
    """What every architecture's options have."""

    max_seq_len: int = option(2048, "longest example in tokens, prompt and answer together", minimum=8)


class Architecture(ABC):
    """A kind of model. `presets` name options; `--arch` takes the architecture's name or a preset's.

    `model_type` is the `config.json` key by which a folder without a `run.toml` is recognised.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    model_type: ClassVar[str]
    Options: ClassVar[type[ArchitectureOptions]] = ArchitectureOptions
    presets: ClassVar[Mapping[str, ArchitectureOptions]] = {}

    @abstractmethod
    def tokenizer(self, options: Any) -> str:
        """The tokenizer to use unless the user names another: `bytes`, `bpe:SIZE`, a hub id or a path."""

    @abstractmethod
    def build(self, options: Any, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
        """A new model with `GenerationMixin`, float32, on the CPU, its vocabulary the tokenizer's."""

    @abstractmethod
    def load(self, path: Path, options: Any) -> PreTrainedModel:
        """The model of a checkpoint folder; `options` hold what weights do not (such as an engine)."""

    @abstractmethod
    def estimate(self, options: Any, *, vocab_size: int, micro_batch_size: int, length: int) -> Estimate:
        """Parameters and activation memory, without building the model."""

    def describe(self, model: PreTrainedModel) -> Mapping[str, str]:
        """Facts about a built model that a person should see at start and find in `run.toml`."""
        return {}


class DatasetFormatter(ABC):
    """A dataset by name: where its rows come from, and what one row says.

    Rows come from one of three places: `hub` (looked for in the folder `REASON_DATA` first, as
    `NAME/SPLIT.jsonl`), a file given by path whose name ends with one of `suffixes`, or `generate`.
    `extractor` names the answer extractor that grades it.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    hub: ClassVar[Hub | None] = None
    suffixes: ClassVar[tuple[str, ...]] = ()
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    extractor: ClassVar[str] = "number"
    Options: ClassVar[type] = NoOptions

    @abstractmethod
    def format(self, row: Mapping[str, Any], options: Any) -> Example | Text | None:
        """What a row says; `None` leaves it out on purpose. Pure. Raises `BadRow` with the reason."""

    def generate(self, split: str, seed: int, options: Any) -> Iterator[Mapping[str, Any]] | None:
        """Rows made on the spot, without end, the same for the same seed; `None` if there are none to make.

        No question of one split ever occurs in another, whatever the seeds.
        """
        return None


class AnswerExtractor(ABC):
    """Finds the answer in a text and compares it with the expected one. Pure and total: never raises."""

    name: ClassVar[str]
    help: ClassVar[str]

    @abstractmethod
    def extract(self, text: str) -> Extraction | None:
        """The answer that `text` gives, or `None` when it gives none."""

    @abstractmethod
    def equal(self, predicted: str, expected: str) -> bool:
        """Whether two answers have the same value."""
