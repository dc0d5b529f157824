"""The contracts between the core and its plugins, and the values that pass between them.

Importing this module is cheap: no torch, no transformers, no input or output.
A plugin subclasses `Architecture`, `DatasetFormatter`, `AnswerExtractor` or `Exporter` and hands instances to the
matching hook of `reason_cli.hookspecs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def option(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    replaces: str = "",
) -> Any:
    """One setting, written once: flags, TOML keys, `--set`, the reference and `run.toml` derive from it.

    The field's annotation must be `bool`, `int`, `float`, `str` or `tuple[str, ...]`.
    `minimum` and `maximum` are inclusive bounds of a number. `replaces` names a key of the same table that is another
    way to say the same: a layer that gives this one takes back what earlier layers gave that one.
    """
    metadata = {"help": help, "choices": tuple(choices), "minimum": minimum, "maximum": maximum, "replaces": replaces}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class NoOptions:
    """The `Options` of a plugin object that has none."""


# --- what passes between the rooms -----------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A question, how it is solved, and its answer.

    `reasoning` may be empty. `tags` are facts about the question (such as `{"steps": 3}`); evaluation breaks accuracy
    down by each. `reference` is what a verifier needs beyond the answer; it is neither trained on nor stored.
    """

    question: str
    reasoning: str
    answer: str
    tags: Mapping[str, str | int] = field(default_factory=dict)
    reference: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Text:
    """A plain document: trained on whole, nothing masked."""

    text: str


@dataclass(frozen=True)
class Turn:
    """What one side of a conversation says; `role` is `system`, `user` or `assistant`."""

    role: str
    text: str


@dataclass(frozen=True)
class Chat:
    """A conversation, or a question with a reply that has no marked answer.

    Every assistant turn is trained on as it stands, its end token included; all else is masked.
    """

    turns: tuple[Turn, ...]
    tags: Mapping[str, str | int] = field(default_factory=dict)


Item: TypeAlias = Example | Text | Chat


@dataclass(frozen=True)
class Extraction:
    """An answer found in a text: its value, the strategy that found it, and where it stands."""

    value: str
    strategy: str
    span: tuple[int, int]


@dataclass(frozen=True)
class Hub:
    """Where a dataset's rows live on the Hugging Face hub.

    `splits` maps the split names that people type to the hub's own; `config` is the hub's subset; `data_dir` a folder
    and `revision` a branch of the repository. `streaming`: too large to be fetched whole, rows are read as they come.
    `mirrors` are tried in order when this one cannot be had; they keep the columns, and taking one is said aloud.
    `formerly`: ids under which people may still ask for it.
    """

    id: str
    config: str = ""
    splits: Mapping[str, str] = field(default_factory=lambda: {"train": "train", "test": "test"})
    data_dir: str = ""
    revision: str = ""
    streaming: bool = False
    mirrors: tuple[Hub, ...] = ()
    formerly: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """A share of a split, told by a hash of each question: from `start` to `end` of all hashes, 0 to 1.

    Parts of one split that do not overlap never share a question, however its rows are duplicated.
    """

    split: str
    start: float
    end: float


@dataclass(frozen=True)
class Load:
    """What one training step is asked to hold: `micro_batch_size` rows of `length` tokens.

    `precision` is that of the matrix products, fp32, bf16 or fp16; parameters stay float32.
    """

    vocab_size: int
    micro_batch_size: int = 1
    length: int = 1
    precision: str = "fp32"
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class Estimate:
    """What a model costs under a `Load`, computed from its options alone. Memory is in bytes.

    `parameters` is the exact count, tied weights once; `trained_parameters` are those that get gradients.
    `flops_per_token` is a forward pass's, a multiplication and an addition counted as two; a training step is three.
    `activations` is what the forward pass keeps for the backward pass, matrices rounded for autocast among it; with
    gradient checkpointing little more than the blocks' inputs. What is held beside it for a moment, the gradient of the
    head included: `logits` is what the loss over the vocabulary holds at its highest, `working` what the backward pass
    of one block does, recomputed first where that is so. `closing` is what is held beside all gradients when the
    backward pass ends. What the optimizer keeps follows from `trained_parameters`.
    """

    parameters: int
    trained_parameters: int
    flops_per_token: int
    weights: int
    gradients: int
    activations: int
    working: int
    logits: int
    closing: int = 0


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
    `adapts`: checkpoints are peft's adapters, and the base's parameters are frozen. `settings` are those of other
    tables that a preset is proven with, by their keys (`train.learning_rate`); profiles and flags go before them.
    `packs`: a row may hold several documents, told apart by `position_ids` that begin again at 0 (no mask, no cache).
    `stock`: the model is transformers' own, so that a folder without a `run.toml` is evaluated as any causal model is.
    `causal`: each token is predicted from those before it. A model that is not reads a whole question at once and never
    its answer, which begins with the first label and is no longer than the question.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    model_type: ClassVar[str]
    packs: ClassVar[bool] = False
    stock: ClassVar[bool] = False
    causal: ClassVar[bool] = True
    adapts: ClassVar[bool] = False
    Options: ClassVar[type[ArchitectureOptions]] = ArchitectureOptions
    presets: ClassVar[Mapping[str, ArchitectureOptions]] = {}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @abstractmethod
    def tokenizer(self, options: Any) -> str:
        """The tokenizer to use unless the user names another: `bytes`, `bpe:SIZE`, a hub id or a path."""

    def vocab_size(self, options: Any) -> int | None:
        """The tokens of that tokenizer where the architecture knows without loading it."""
        return None

    def tokens(self, options: Any) -> tuple[str, ...]:
        """Texts that are one token each; a tokenizer that lacks one gets it."""
        return ()

    @abstractmethod
    def build(self, options: Any, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
        """A new model with `GenerationMixin`, float32, on the CPU, its vocabulary the tokenizer's."""

    @abstractmethod
    def load(self, path: Path, options: Any) -> PreTrainedModel:
        """The model of a checkpoint folder; `options` hold what weights do not (such as an engine)."""

    @abstractmethod
    def estimate(self, options: Any, load: Load) -> Estimate:
        """What a model with these options costs under a load, without building it."""

    def whole(self, path: Path) -> bool:
        """Whether a checkpoint holds all of its model, rather than what is put on a base that it names."""
        return not (path / "adapter_config.json").is_file()

    def merge(self, path: Path, output: Path, options: Any, dtype: str) -> Mapping[str, tuple[float, float] | None]:
        """Write a checkpoint that rests on a base as one model of `dtype` (fp32, bf16 or fp16), with its tokenizer.

        Gives, by what its logits were compared with, the largest difference and the share of positions whose likeliest
        token is the same; `None` where that could not be. Raises `ReasonError` when there is nothing to merge.
        """
        raise ReasonError(f"a checkpoint of '{self.name}' is whole already", "there is nothing to merge")

    def graph(self, model: PreTrainedModel, loop: str) -> Graph | None:
        """The same model as a graph of tensors, on its weights, for exporters that trace; `None`: it has none.

        `loop` is what stands for a walk over a text of any length where the model needs one: `script`, a loop that
        TorchScript compiles, or `scan`, torch's higher-order scan, which becomes ONNX's `Scan`.
        A `stock` transformer needs none of its own: the core has a graph for these.
        """
        return None

    def describe(self, model: PreTrainedModel) -> Mapping[str, str]:
        """Facts about a built model that a person should see at start and find in `run.toml`."""
        return {}

    def figures(self, model: PreTrainedModel) -> Mapping[str, float]:
        """What the model counted since this was last asked; written and drawn beside the loss."""
        return {}


@runtime_checkable
class RowCache(Protocol):
    """What a recurrent model remembers of a batch's rows, of one size whatever was read.

    A model whose forward pass gives one (as `cache_params` or `past_key_values`, the keyword by which it is given back
    in) is generated from with rows that come and go. Such a model takes prompts padded on the left, and advances the
    state in place, at the same addresses, when it reads one token per row without gradients.
    """

    @property
    def nbytes(self) -> int:
        """The memory of all rows."""

    def keep(self, rows: Sequence[int]) -> RowCache:
        """A new cache of these rows, in that order; a row may be asked for more than once."""

    def put(self, rows: Sequence[int], other: RowCache) -> None:
        """Overwrite these rows, in place, with those of another cache, in their order."""


@dataclass(frozen=True)
class State:
    """One tensor of what a `Graph` remembers of the rows it has read.

    `shape` has a name where a size is free: `batch`, or one that grows with what was read, such as `past`. `dtype` is
    torch's name of it.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str = "float32"

    def sizes(self, rows: int) -> list[int]:
        """The shape for rows that have read nothing: of what grows, none."""
        return [{"batch": rows}.get(size, 0) if isinstance(size, str) else size for size in self.shape]

    def start(self, rows: int) -> Tensor:
        """What is remembered of rows that have read nothing: zeros."""
        import torch

        return torch.zeros(self.sizes(rows), dtype=getattr(torch, self.dtype))


@runtime_checkable
class Graph(Protocol):
    """A model as exporters see it: a `torch.nn.Module` of tensors in and tensors out, in which nothing depends on
    the value of a tensor.

    `states` says what is remembered of rows between calls; `forward_only` are ids of tokens that `step` cannot read,
    for `forward` alone. b rows, l new tokens of each, n of these looked at, v vocabulary.
    """

    states: Sequence[State]
    forward_only: Sequence[int]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: Tensor, *states: Tensor
    ) -> tuple[Tensor, ...]:
        """float32 logits (b, n, v) of the columns `logits_to_keep` (n,), and the states after all l tokens.

        input_ids and attention_mask (b, l), int64. The mask is 0 at padding, which stands on the left, and only before
        a row's first token.
        """

    def step(self, input_ids: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """The same for one token of every row, none of it padding: input_ids (b, 1), logits (b, 1, v)."""


@dataclass(frozen=True)
class Exportable:
    """A checkpoint as it is handed to an exporter: the model in float32 on the CPU, in evaluation mode.

    `architecture` is what loaded it, `None` for a model of transformers' that no architecture here claims. `graph`
    makes its graph by the kind of loop (see `Architecture.graph`), `None` where it has none. `name` is what a person
    calls it, `path` its folder; `facts` is what its run knows: `settings` by table, `run`, and the `results` of its
    evaluations.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    architecture: Architecture | None
    graph: Callable[[str], Graph | None]
    name: str
    path: Path
    facts: Mapping[str, Any] = field(default_factory=dict)


class Exported(ABC):
    """What was written, read again from its files alone, as it runs.

    `batches`: several rows at once. `pads`: rows of one batch may be padded on the left. `continues`: what was read can
    be gone on from. The core checks what can be asked of it, and generates by it in `reason eval`.
    """

    batches: bool = True
    pads: bool = True
    continues: bool = True

    @abstractmethod
    def read(self, input_ids: Tensor, attention_mask: Tensor | None, state: Any, last: bool) -> tuple[Tensor, Any]:
        """Logits of new tokens (b, l), float32, and what is remembered then.

        `state` is what an earlier call gave, `None` where nothing was read; it must stay as it is. attention_mask
        (b, l) is 0 at padding, `None`: there is none. Logits (b, l, v), or with `last` (b, 1, v), of the last column.
        """


class Exporter(ABC):
    """A format that models are written in. `reason export NAME` has a flag for each of its `Options`.

    `takes` says in one line which checkpoints it can write. `backend` is what runs what it wrote, as in `--backend` of
    `reason eval`; empty where that is transformers, and the folder a checkpoint like any other.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    takes: ClassVar[str]
    backend: ClassVar[str] = ""
    Options: ClassVar[type] = NoOptions

    def missing(self) -> str:
        """What must be installed before it can be used, such as `pip install "reason-cli[onnx]"`; empty: nothing."""
        return ""

    def refuses(self, source: Exportable, options: Any) -> str:
        """Why this checkpoint cannot be written in this format, with these options; empty: it can."""
        return ""

    def precision(self, options: Any) -> str:
        """What the weights are rounded to, which says how close the outputs must be: fp32, fp16, bf16 or int8."""
        return "fp32"

    @abstractmethod
    def export(self, source: Exportable, folder: Path, options: Any) -> None:
        """Write the model into a new folder. The core writes the tokenizer beside it, checks it and gives it its name.

        Raises `ReasonError` for what only shows while it is written.
        """

    @abstractmethod
    def load(self, folder: Path, threads: int) -> Exported:
        """What `export` wrote, from the folder alone, on so many CPU threads.

        Raises `ReasonError` when it cannot be read.
        """

    def prove(self, source: Exportable, folder: Path, prompts: Sequence[Sequence[int]]) -> Mapping[str, float]:
        """Figures of checks that this format has beside the core's, on the token ids of some prompts.

        Raises `ReasonError` when one fails: then nothing is left of what was written.
        """
        return {}

    def publish(self, folder: Path, options: Any) -> str:
        """What its options ask for once the artefact is whole and has its name; one line on what was done, or nothing.

        Raises `ReasonError` when that fails; the artefact stays.
        """
        return ""


class DatasetFormatter(ABC):
    """A dataset by name: where its rows come from, and what one row says.

    Rows come from one of three places: `hub` (looked for in the folder `REASON_DATA` first, as `NAME/SPLIT.jsonl` or
    another file of rows), `generate`, or, where `universal`, any file, folder or hub id that the user names.
    `parts` are further splits, each a share of another. `columns` are those of the published rows.
    `extractor` names the answer extractor that grades it. `benchmark`: models are compared by its `test` split, so
    training rows are searched for the questions there.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    hub: Hub | None = None
    universal: ClassVar[bool] = False
    benchmark: ClassVar[bool] = False
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    parts: ClassVar[Mapping[str, Part]] = {}
    columns: ClassVar[tuple[str, ...]] = ()
    extractor: ClassVar[str] = "number"
    Options: ClassVar[type] = NoOptions

    @abstractmethod
    def format(self, row: Mapping[str, Any], options: Any) -> Item | None:
        """What a row says; `None` leaves it out on purpose. Pure. Raises `BadRow` with the reason."""

    def generate(self, split: str, seed: int, options: Any) -> Iterator[Mapping[str, Any]] | None:
        """Rows made on the spot, the same for the same seed; `None` if there are none to make.

        No question of one split ever occurs in another, whatever the seeds. Rows may end when all are told.
        """
        return None

    def fit(self, rows: Sequence[Mapping[str, Any]], options: Any) -> Any:
        """The options to read rows like these first ones with. Raises `ReasonError` when they are not clear."""
        return options

    def describe(self, options: Any) -> str:
        """One line on how rows are read, where a person should check it; empty where there is nothing to say."""
        return ""

    def counts(self, row: Mapping[str, Any], options: Any) -> Mapping[str, int]:
        """Peculiarities of a good row that `reason data check` adds up, such as `{"calculator marks": 3}`."""
        return {}

    def variants(self) -> Sequence[str]:
        """The names V that `NAME/V` may be given with: configurations, languages, tasks."""
        return ()

    def variant(self, name: str) -> DatasetFormatter:
        """The formatter of `NAME/V`, for a V of `variants()`."""
        raise NotImplementedError(f"{self.name} has no variants")


class AnswerExtractor(ABC):
    """Finds the answer in a text and compares it with the expected one. Pure and total: never raises.

    `marked` names the strategies that rest on an explicit marker: strict accuracy counts only what these found, beside
    the lenient one, which counts all. Empty: every strategy is strict.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    marked: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def extract(self, text: str) -> Extraction | None:
        """The answer that `text` gives, or `None` when it gives none."""

    @abstractmethod
    def equal(self, predicted: str, expected: str) -> bool:
        """Whether two answers have the same value."""

    def correct(self, predicted: str, example: Example) -> bool:
        """Whether an extracted answer solves the example; by comparison with its answer unless a verifier can tell."""
        return self.equal(predicted, example.answer)

    def is_marked(self, strategy: str) -> bool:
        """Whether an answer found by `strategy` counts as strict."""
        return not self.marked or strategy in self.marked
