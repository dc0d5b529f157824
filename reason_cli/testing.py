"""For plugin authors: small fakes to test with, and one contract test per kind of plugin.

    from reason_cli import testing

    def test_contract():
        testing.check_dataset(MyFormatter(), rows=[{"question": "2 + 2?", "answer": "4"}])

Each `check_*` raises `AssertionError` that says what is broken. Importing this module is cheap; torch comes in
when a model is built. It knows the contracts of `reason_cli.api` and nothing of the command line.
"""

from __future__ import annotations

import copy
import dataclasses
import random
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_type_hints

from reason_cli.api import (
    AnswerExtractor,
    Architecture,
    ArchitectureOptions,
    BadRow,
    Chat,
    DatasetFormatter,
    Estimate,
    Example,
    Exportable,
    Exported,
    Exporter,
    Extraction,
    Item,
    Load,
    Text,
    option,
)
from reason_cli.plugins import Switchboard, build_switchboard

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NAME = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
OPTION_TYPES = (bool, int, float, str, tuple[str, ...])
TOLERANCE = 1e-4  # of float32 logits
LONGEST_WAIT = 10.0  # seconds that an extractor may take for one text


# --- fakes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TinyLlamaOptions(ArchitectureOptions):
    """The shape of a `TinyLlama`."""

    max_seq_len: int = option(128, "longest example in tokens", minimum=8)
    d_model: int = option(32, "width", minimum=2)
    n_layer: int = option(2, "number of blocks", minimum=1)


class TinyLlama(Architecture):
    """An architecture small enough to train in a test: a Llama of two heads and some 30,000 parameters."""

    name = "tiny-llama"
    help = "a very small Llama for tests"
    model_type = "llama"
    packs = True
    Options = TinyLlamaOptions
    presets = {"tiny-llama-wide": TinyLlamaOptions(d_model=64)}

    def tokenizer(self, options: TinyLlamaOptions) -> str:
        return "bytes"

    def build(self, options: TinyLlamaOptions, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=options.d_model,
            intermediate_size=2 * options.d_model,
            num_hidden_layers=options.n_layer,
            num_attention_heads=2,
            max_position_embeddings=options.max_seq_len,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        return LlamaForCausalLM(config)

    def load(self, path: Path, options: TinyLlamaOptions) -> PreTrainedModel:
        from transformers import LlamaForCausalLM

        return LlamaForCausalLM.from_pretrained(path)

    def estimate(self, options: TinyLlamaOptions, load: Load) -> Estimate:
        d = options.d_model
        block = 4 * d * d + 3 * d * 2 * d + 2 * d  # attention, gated MLP, two norms
        parameters = load.vocab_size * d + options.n_layer * block + d
        bytes_each, tokens = 4, load.micro_batch_size * load.length
        return Estimate(
            parameters=parameters,
            trained_parameters=parameters,
            flops_per_token=2 * parameters,
            weights=bytes_each * parameters,
            gradients=bytes_each * parameters,
            activations=bytes_each * tokens * options.n_layer * 16 * d,
            working=bytes_each * tokens * 8 * d,
            logits=bytes_each * tokens * 2 * load.vocab_size,
        )


class Additions(DatasetFormatter):
    """Sums of two numbers, made on the spot. A test question's numbers add up to a multiple of five."""

    name = "additions"
    help = "sums of two numbers, for tests"

    def format(self, row: Mapping[str, Any], options: Any) -> Example:
        try:
            a, b = int(row["a"]), int(row["b"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadRow(f"two numbers a and b are needed: {error!r}") from None
        return Example(f"What is {a} + {b}?", f"{a} + {b} = {a + b}", str(a + b), {"digits": len(str(a + b))})

    def generate(self, split: str, seed: int, options: Any) -> Iterator[Mapping[str, Any]]:
        draw = random.Random(f"{split}/{seed}")
        seen = set()
        while True:
            pair = (draw.randrange(1000), draw.randrange(1000))
            if pair not in seen and (sum(pair) % 5 == 0) == (split == "test"):
                seen.add(pair)
                yield {"a": pair[0], "b": pair[1]}


class LastWord(AnswerExtractor):
    """The last word of a text, without the full stop."""

    name = "last-word"
    help = "the last word, for tests"

    def extract(self, text: str) -> Extraction | None:
        words = list(re.finditer(r"[^\s.]+", text))
        return Extraction(words[-1][0], "last-word", words[-1].span()) if words else None

    def equal(self, predicted: str, expected: str) -> bool:
        return predicted.casefold() == expected.casefold()


@dataclass(frozen=True)
class StateDictOptions:
    """The options of a `StateDict`."""

    off_by: float = option(0.0, "what is added to one weight, to see that it is noticed", minimum=0.0)


class StateDict(Exporter):
    """A format for tests: the weights of a model of one of `transformers`' own types, one of them off if asked."""

    name = "state-dict"
    help = "a folder of weights, for tests"
    takes = "models of transformers' own types"
    backend = "state-dict"
    Options = StateDictOptions

    def refuses(self, source: Exportable, options: StateDictOptions) -> str:
        own = type(source.model).__module__.startswith("transformers.")
        return "" if own else f"{type(source.model).__name__} is no model of transformers' own"

    def export(self, source: Exportable, folder: Path, options: StateDictOptions) -> None:
        from safetensors.torch import save_file

        weights = {name: weight.clone() for name, weight in source.model.state_dict().items()}
        weights["model.norm.weight"][0] += options.off_by
        save_file(weights, folder / "weights.safetensors")
        (folder / "model").mkdir()
        source.model.config.save_pretrained(folder / "model")

    def load(self, folder: Path, threads: int) -> Exported:
        return _Loaded(folder)


class _Loaded(Exported):
    """What `StateDict` wrote. What it has read is kept as tokens, which it reads again."""

    def __init__(self, folder: Path) -> None:
        from safetensors.torch import load_file
        from transformers import AutoConfig, AutoModelForCausalLM

        self.model: Any = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder / "model")).eval()
        self.model.load_state_dict(load_file(folder / "weights.safetensors"))

    def read(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, state: Any, last: bool
    ) -> tuple[torch.Tensor, Any]:
        import torch

        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        if state is not None:
            mask = torch.cat([state[1], mask], 1)
        ids = input_ids if state is None else torch.cat([state[0], input_ids], 1)
        logits = _logits(self.model, ids, mask)
        return logits[:, -1:] if last else logits[:, -input_ids.shape[1] :], (ids, mask)


def byte_tokenizer() -> PreTrainedTokenizerBase:
    """The tokenizer `bytes`: a token per byte and ChatML's, nothing to download."""
    from reason_cli.engine import tokenizers

    return tokenizers.build("bytes", ())


@dataclass(frozen=True)
class _ModulePoint:
    """An entry point of a module at hand, as the switchboard reads it."""

    name: str
    module: ModuleType
    dist: None = None

    def load(self) -> ModuleType:
        return self.module


def switchboard_of(**modules: ModuleType) -> Switchboard:
    """A switchboard of these plugins alone, by name, as if they were installed. Fails when one is refused."""
    points: Any = [_ModulePoint(name, module) for name, module in modules.items()]
    board = build_switchboard(points, disabled=())
    problems = [f"{p.name}: {p.status}" for p in board.failures] + list(board.conflicts())
    assert not problems, "; ".join(problems)
    return board


# --- what every kind shares ----------------------------------------------------------------------------------


def _check_identity(plugin: Any, contract: type) -> None:
    kept = isinstance(plugin, contract)
    assert kept, f"{plugin!r} is no {contract.__name__}"
    assert NAME.fullmatch(plugin.name), f"name {plugin.name!r} is not lower case words joined by '-'"
    assert plugin.help.strip() and "\n" not in plugin.help, f"{plugin.name}: help must be one line of text"


def _check_options(owner: str, options: type) -> None:
    """Every option has a type that a flag can have, a default within its bounds, and help."""
    assert dataclasses.is_dataclass(options), f"{owner}: Options is no dataclass"
    assert options.__dataclass_params__.frozen, f"{owner}: Options is not frozen"  # type: ignore[attr-defined]
    hints = get_type_hints(options)
    for item in dataclasses.fields(options):
        assert hints[item.name] in OPTION_TYPES, f"{owner}: option {item.name} has a type that no flag can have"
        assert item.metadata.get("help"), f"{owner}: option {item.name} has no help; declare it with option()"
    _check_values(owner, options())


def _check_values(owner: str, options: Any) -> None:
    """The values of an options object are within the bounds and choices that its class declares."""
    for item in dataclasses.fields(options):
        value, facts = getattr(options, item.name), item.metadata
        assert not facts["choices"] or value in facts["choices"], f"{owner}: {item.name} is {value!r}, no choice of it"
        assert facts["minimum"] is None or value >= facts["minimum"], f"{owner}: {item.name} is under its minimum"
        assert facts["maximum"] is None or value <= facts["maximum"], f"{owner}: {item.name} is over its maximum"


# --- architectures -------------------------------------------------------------------------------------------


def check_architecture(architecture: Architecture, options: ArchitectureOptions | None = None) -> None:
    """Prove an architecture: counts, save and load, padding, gradients, generation, packing if it packs; and causality,
    or if it is not causal that the answer is hidden from it.

    `options` make the model that is built; pass small ones. Without them it is the architecture's default.
    """
    _check_identity(architecture, Architecture)
    assert architecture.model_type, f"{architecture.name}: model_type is missing"
    for preset, settings in architecture.settings.items():
        assert preset in architecture.presets, f"{architecture.name}: settings for {preset!r}, which is no preset"
        assert all("." in key for key in settings), f"preset {preset}: a setting's key has no table"
    assert issubclass(architecture.Options, ArchitectureOptions), f"{architecture.name}: Options is of another kind"
    _check_options(architecture.name, architecture.Options)
    options = options or architecture.Options()
    assert architecture.tokenizer(options), f"{architecture.name}: names no tokenizer"
    _check_presets(architecture)
    _check_model(architecture, options)


def _check_presets(architecture: Architecture) -> None:
    for name, options in architecture.presets.items():
        assert NAME.fullmatch(name), f"preset {name!r} is not lower case words joined by '-'"
        assert type(options) is architecture.Options, f"preset {name} holds other options"
        _check_values(f"preset {name}", options)
        small, large = (architecture.estimate(options, Load(1000, rows, 64)) for rows in (1, 2))
        for figure in dataclasses.astuple(small):
            assert isinstance(figure, int) and figure >= 0, f"preset {name}: an estimate is {figure!r}, no whole number"
        assert small.parameters == large.parameters > 0, f"preset {name}: parameters depend on the batch"
        assert small.activations < large.activations, f"preset {name}: more rows take no more memory"
        less = architecture.estimate(options, Load(1000, 2, 64, gradient_checkpointing=True))
        assert less.activations <= large.activations, f"preset {name}: gradient checkpointing takes more memory"


def _check_model(architecture: Architecture, options: ArchitectureOptions) -> None:
    import torch
    from transformers import GenerationMixin, PreTrainedModel

    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    model = architecture.build(options, tokenizer)
    name = architecture.name
    assert isinstance(model, PreTrainedModel) and isinstance(model, GenerationMixin), f"{name}: no model that generates"
    same = architecture.adapts or model.config.model_type == architecture.model_type
    assert same, f"{name}: config.json would say another model_type"
    assert {p.dtype for p in model.parameters()} == {torch.float32}, f"{name}: parameters are not float32"
    assert {p.device.type for p in model.parameters()} == {"cpu"}, f"{name}: built elsewhere than on the CPU"
    estimate = architecture.estimate(options, Load(len(tokenizer), micro_batch_size=2, length=16))
    counted = model.num_parameters()
    assert estimate.parameters == counted, f"{name}: estimates {estimate.parameters} parameters, has {counted}"
    facts = architecture.describe(model)
    assert all(isinstance(text, str) for pair in facts.items() for text in pair), f"{name}: describe gives no text"
    figures = architecture.figures(model)
    assert all(isinstance(figure, float) for figure in figures.values()), f"{name}: figures are no numbers"
    _check_gradients(name, model, architecture.adapts, given=0 if architecture.causal else 12)
    model.eval()
    if architecture.causal:
        _check_causal(name, model)
    else:
        _check_blind(name, model)
    _check_padding(name, model, tokenizer.pad_token_id)
    if architecture.packs:
        _check_packing(name, model)
    _check_generation(name, model, tokenizer)
    _check_saved(architecture, options, model)


def _rows(*lengths: int) -> list[torch.Tensor]:
    """Rows of token ids, any that every tokenizer here has."""
    import torch

    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (length,), generator=generator) for length in lengths]


def _logits(model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    import torch

    with torch.no_grad():
        mask = torch.ones_like(ids) if mask is None else mask
        return model(input_ids=ids, attention_mask=mask).logits


def _assert_close(actual: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    worst = float((actual - expected).abs().max())
    assert worst <= TOLERANCE * max(1.0, float(expected.abs().max())), f"{what}: logits differ by {worst:.2g}"


def _check_gradients(name: str, model: PreTrainedModel, adapts: bool, given: int) -> None:
    """The first `given` tokens of a row are no labels."""
    import torch

    ids = torch.stack(_rows(24, 24))
    labels = ids.clone()
    labels[:, :given] = -100
    loss = model.train()(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
    loss.backward()
    trained = [(key, parameter) for key, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained, f"{name}: nothing is trained"
    assert adapts or len(trained) == len(list(model.parameters())), f"{name}: a parameter is frozen"
    for key, parameter in trained:
        assert parameter.grad is not None, f"{name}: {key} gets no gradient"
        assert bool(parameter.grad.isfinite().all()), f"{name}: {key} gets a gradient that is not finite"
    model.zero_grad(set_to_none=True)


def _check_causal(name: str, model: PreTrainedModel) -> None:
    (row,) = _rows(24)
    changed = row.clone()
    changed[16:] = (changed[16:] + 1) % 256
    before, after = _logits(model, row[None]), _logits(model, changed[None])
    _assert_close(after[:, :16], before[:, :16], f"{name}: a later token changes what was said before it")
    assert bool((after[:, 16:] != before[:, 16:]).any()), f"{name}: tokens make no difference"


def _check_blind(name: str, model: PreTrainedModel) -> None:
    """What is said to a question is the same whatever answer the labels tell."""
    import torch

    (row,) = _rows(24)
    answered = row.clone()
    answered[12:] = (answered[12:] + 1) % 256
    asked = row.clone()
    asked[:12] = (asked[:12] + 1) % 256
    given = []
    with torch.no_grad():
        for ids in (row, answered, asked):
            labels = torch.cat([torch.full((12,), -100), ids[12:]])
            given.append(model(input_ids=ids[None], labels=labels[None]).logits[:, :12])
    assert torch.equal(given[0], given[1]), f"{name}: the answer that is to be learned changes what is said"
    assert bool((given[0] != given[2]).any()), f"{name}: the question makes no difference"


def _padded(rows: Sequence[torch.Tensor], side: str, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, mask), each (rows, longest), padded on the left or the right."""
    import torch

    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        place = slice(longest - len(row), None) if side == "left" else slice(0, len(row))
        ids[i, place], mask[i, place] = row, 1
    return ids, mask


def _check_padding(name: str, model: PreTrainedModel, pad: int) -> None:
    rows = _rows(3, 17, 24)
    for side in ("left", "right"):
        ids, mask = _padded(rows, side, pad)
        batch = _logits(model, ids, mask)
        for i, row in enumerate(rows):
            _assert_close(batch[i][mask[i].bool()], _logits(model, row[None])[0], f"{name}: padding on the {side}")


def _check_packing(name: str, model: PreTrainedModel) -> None:
    """Documents in one row, told apart by their positions alone, are as if each had a row of its own."""
    import torch

    documents = _rows(11, 2, 7)
    first = len(documents[0])
    with torch.no_grad():
        alone = [model(input_ids=row[None], labels=row[None], use_cache=False) for row in documents]
        packed, changed = _packed(model, documents), _packed(model, [(documents[0] + 1) % 256, *documents[1:]])
    expected = torch.cat([output.logits[0] for output in alone])
    _assert_close(packed.logits[0], expected, f"{name}: a document in a packed row")
    same = torch.equal(changed.logits[0, first:], packed.logits[0, first:])
    assert same, f"{name}: a document changes the logits of the next one in its row"
    trained = [len(row) - 1 for row in documents]
    loss = sum(output.loss * count for output, count in zip(alone, trained, strict=True)) / sum(trained)
    difference = abs(float(packed.loss - loss))
    assert difference <= TOLERANCE * float(loss), f"{name}: the loss of a packed row is off by {difference:.2g}"


def _packed(model: PreTrainedModel, documents: Sequence[torch.Tensor]) -> Any:
    """What a model gives for documents in one row. Nothing predicts the first token of a document."""
    import torch

    ids = torch.cat(list(documents))[None]
    positions = torch.cat([torch.arange(len(row)) for row in documents])[None]
    return model(input_ids=ids, position_ids=positions, labels=ids.masked_fill(positions == 0, -100), use_cache=False)


def _check_generation(name: str, model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    rows = _rows(3, 9)
    ids, mask = _padded(rows, "left", tokenizer.pad_token_id)
    how = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": tokenizer.pad_token_id}
    batch = model.generate(input_ids=ids, attention_mask=mask, **how)[:, ids.shape[1] :]
    assert 1 <= batch.shape[1] <= 8, f"{name}: generates {batch.shape[1]} tokens where up to 8 are asked for"
    for i, row in enumerate(rows):
        alone = model.generate(input_ids=row[None], attention_mask=row.new_ones(1, len(row)), **how)[0, len(row) :]
        assert batch[i, : len(alone)].tolist() == alone.tolist(), f"{name}: a batch generates otherwise than one row"


def _check_saved(architecture: Architecture, options: ArchitectureOptions, model: PreTrainedModel) -> None:
    (row,) = _rows(24)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        loaded = architecture.load(Path(folder), options).eval()
        _assert_close(_logits(loaded, row[None]), _logits(model, row[None]), f"{architecture.name}: saved and loaded")


# --- datasets ------------------------------------------------------------------------------------------------


def check_dataset(
    formatter: DatasetFormatter, rows: Sequence[Mapping[str, Any]] = (), options: Any = None, made: int = 50
) -> None:
    """Prove a formatter on good `rows` (or on `made` rows of its own) and on garbage."""
    _check_identity(formatter, DatasetFormatter)
    _check_options(formatter.name, formatter.Options)
    assert formatter.extractor, f"{formatter.name}: names no extractor"
    assert formatter.splits and all(NAME.fullmatch(s) for s in formatter.splits), f"{formatter.name}: split names"
    if formatter.hub:
        missing = [s for s in formatter.splits if s not in formatter.hub.splits]
        assert not missing, f"{formatter.name}: the hub has no name for split {missing}"
    options = options if options is not None else formatter.Options()
    generates = formatter.generate(formatter.splits[0], 0, options) is not None
    places = [bool(formatter.hub), formatter.universal, generates]
    assert any(places), f"{formatter.name}: has no hub, is not universal and generates nothing"
    _check_parts(formatter)
    if generates:
        _check_generated(formatter, options, made)
        rows = [*rows, *_made(formatter, formatter.splits[0], 0, options, made)]
    assert rows, f"{formatter.name}: pass a few good rows"
    options = formatter.fit(rows, options)
    assert isinstance(formatter.describe(options), str), f"{formatter.name}: describe gives no text"
    for row in rows:
        _check_row(formatter, row, options)
    _check_garbage(formatter, rows[0], options)


def _check_parts(formatter: DatasetFormatter) -> None:
    for name, part in formatter.parts.items():
        assert NAME.fullmatch(name) and name not in formatter.splits, f"{formatter.name}: part {name!r} is a split too"
        assert part.split in formatter.splits, f"{formatter.name}: part {name!r} is of no split"
        assert 0 <= part.start < part.end <= 1, f"{formatter.name}: part {name!r} is no share"


def _made(formatter: DatasetFormatter, split: str, seed: int, options: Any, count: int) -> list[Mapping[str, Any]]:
    rows = formatter.generate(split, seed, options)
    assert rows is not None, f"{formatter.name}: generates some splits and not {split}"
    return list(islice(rows, count))


def _check_generated(formatter: DatasetFormatter, options: Any, count: int) -> None:
    """The same seed gives the same rows; no question comes twice, nor in two splits, whatever the seed."""
    owner: dict[str, str] = {}
    for split in formatter.splits:
        for seed in (0, 1):
            rows = _made(formatter, split, seed, options, count)
            assert rows, f"{formatter.name}: generates no row of {split}"
            again = _made(formatter, split, seed, options, count)
            assert rows == again, f"{formatter.name}: {split} differs from itself under one seed"
            questions = [_question(formatter.format(row, options)) for row in rows]
            assert len(set(questions)) == len(questions), f"{formatter.name}: {split} asks a question twice"
            for question in questions:
                other = owner.setdefault(question, split)
                assert other == split, f"{formatter.name}: {split} and {other} share the question {question!r}"


def _question(item: Item | None) -> str:
    return item.question if isinstance(item, Example) else repr(item)


def _check_row(formatter: DatasetFormatter, row: Mapping[str, Any], options: Any) -> None:
    before = copy.deepcopy(row)
    first, second = formatter.format(row, options), formatter.format(row, options)
    assert first == second, f"{formatter.name}: reads one row two ways: {row}"
    assert row == before, f"{formatter.name}: changes the row that it reads: {before}"
    _check_item(formatter.name, first)
    counts = formatter.counts(row, options)
    assert all(isinstance(n, int) for n in counts.values()), f"{formatter.name}: counts gives no whole numbers"


def _check_item(name: str, item: Any) -> None:
    known = item is None or isinstance(item, (Example, Text, Chat))
    assert known, f"{name}: gives {item!r}, no Example, Text, Chat or None"
    if isinstance(item, Chat):
        roles = [turn.role for turn in item.turns]
        assert "assistant" in roles and set(roles) <= {"system", "user", "assistant"}, f"{name}: roles {roles}"
    if isinstance(item, Example):
        texts = (item.question, item.reasoning, item.answer)
        assert all(isinstance(text, str) for text in texts), f"{name}: a part of {item!r} is no text"
        assert item.question.strip() and item.answer.strip(), f"{name}: an empty question or answer: {item!r}"


def _check_garbage(formatter: DatasetFormatter, row: Mapping[str, Any], options: Any) -> None:
    """A row without its columns is a `BadRow`; one with strange values is one too, or is read, never a crash."""
    for hopeless in ({}, {"another column": "x"}, dict.fromkeys(row)):
        try:
            given = formatter.format(hopeless, options)
        except BadRow as error:
            assert str(error).strip(), f"{formatter.name}: BadRow without a reason for {hopeless!r}"
        else:
            raise AssertionError(f"{formatter.name}: reads {hopeless!r} as {given!r}; raise BadRow")
    for strange in ("", " ", "\0", 0, -1.5, float("nan"), True, [], ["x"], {}, {"x": None}, b"x"):
        for column in row:
            try:
                _check_item(formatter.name, formatter.format({**row, column: strange}, options))
            except BadRow:
                continue


# --- extractors ----------------------------------------------------------------------------------------------

NASTY_TEXTS = (
    "",
    " \n\t ",
    "\0",
    "no figure here",
    "...",
    "-",
    "$",
    "1/0",
    "0/0 and 5/-0",
    "1e999999 and -1e-999999",
    "9" * 5000,
    "1," * 20_000,
    "#### ",
    "####",
    "**Final Answer:**",
    "**Final Answer:** ",
    "\\boxed{",
    "\\boxed{}",
    "\\boxed{\\frac{1}{2}",
    "\\boxed{{{{{{1}}}}}}",
    "\\boxed{" * 3000,
    "}" * 3000 + "{" * 3000,
    "(" * 20_000,
    "the answer is " * 3000,
    "the answer is",
    "12,3,45,.6..7.8-9--10",
    "½ ¾ ² ٣ ٤ ５ Ⅷ 十二",
    "the answer is 42 🎉 — «42»\u202e\u2028",
    "\ud800 lone surrogate 5",
    "**Final Answer:** 72.",
    "#### 1,200\n#### $1200.00\n",
    "So \\boxed{\\frac{3}{4}} of it, 75% in all.",
    "<think>\n2 + 2 = 4\n</think>\n\n**Final Answer:** 4",
)


def check_extractor(extractor: AnswerExtractor, finds: Mapping[str, str] | None = None) -> None:
    """Prove an extractor: never raises, always the same, its span in the text; `finds` maps texts to answers."""
    _check_identity(extractor, AnswerExtractor)
    values = set()
    for text in (*NASTY_TEXTS, *(finds or {})):
        found = _check_extraction(extractor, text)
        values |= {found.value} if found else set()
    for value in values:
        assert extractor.equal(value, value) is True, f"{extractor.name}: {value[:80]!r} is not equal to itself"
    words = sorted({*values, *(text[:200] for text in NASTY_TEXTS)})
    for left in words:
        for right in words:
            one, other = extractor.equal(left, right), extractor.equal(right, left)
            assert isinstance(one, bool), f"{extractor.name}: equal gives {one!r}"
            assert one is other, f"{extractor.name}: equal depends on the order of {left[:80]!r} and {right[:80]!r}"
    for text, answer in (finds or {}).items():
        found = extractor.extract(text)
        assert found and extractor.equal(found.value, answer), f"{extractor.name}: finds {found} in {text!r}"


def _check_extraction(extractor: AnswerExtractor, text: str) -> Extraction | None:
    shown = repr(text[:80])
    begun = time.monotonic()
    found = extractor.extract(text)
    assert time.monotonic() - begun < LONGEST_WAIT, f"{extractor.name}: takes too long for {shown}"
    assert extractor.extract(text) == found, f"{extractor.name}: reads {shown} two ways"
    if found is None:
        return None
    assert isinstance(found, Extraction), f"{extractor.name}: gives {found!r}, no Extraction"
    assert isinstance(found.value, str) and found.value, f"{extractor.name}: an empty answer in {shown}"
    assert found.strategy, f"{extractor.name}: does not say how it read {shown}"
    start, end = found.span
    assert 0 <= start < end <= len(text), f"{extractor.name}: span {found.span} is outside {shown}"
    return found


# --- exporters -----------------------------------------------------------------------------------------------


def check_exporter(exporter: Exporter, model: PreTrainedModel, options: Any = None, graph: Any = None) -> None:
    """Prove an exporter on a small model: it writes what says the same, from its files alone, and changes nothing.

    `graph` makes the model's graph, for exporters that trace one (`Architecture.graph` with the model given).
    """
    from reason_cli.engine.parity import compare

    _check_identity(exporter, Exporter)
    assert exporter.takes.strip() and "\n" not in exporter.takes, f"{exporter.name}: takes must be one line of text"
    _check_options(exporter.name, exporter.Options)
    assert not exporter.missing(), f"{exporter.name}: {exporter.missing()}"
    options, tokenizer, model = options or exporter.Options(), byte_tokenizer(), model.eval()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = Exportable(model, tokenizer, None, graph or (lambda loop: None), "model", folder)
        assert not exporter.refuses(source, options), f"{exporter.name}: {exporter.refuses(source, options)}"
        exporter.export(source, folder, options)
        assert any(folder.iterdir()), f"{exporter.name}: writes nothing"
        tokenizer.save_pretrained(folder)
        prompts: Any = tokenizer(["What is 17 + 25?", "Tom has 3 boxes."])["input_ids"]
        padding = int(tokenizer.pad_token_id)  # type: ignore[arg-type]
        found = compare(model, exporter.load(folder, 1), prompts, padding, exporter.precision(options))
        assert not found.mismatch(), f"{exporter.name}: {found.mismatch()}"
    changed = [key for key, weight in model.state_dict().items() if not weight.equal(before[key])]
    assert not changed, f"{exporter.name}: changes the model that it writes, such as {changed[0]}"
