"""The core's settings: the option dataclasses, and how layers of values become one resolved setting each.

A setting has a table, a key, a value and a source. Layers are merged in order, later wins, and a value
counts because its layer holds the key, never because it is truthy. This module knows no plugin: the caller
adds their `Options` to the schema.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from reason_cli.api import option
from reason_cli.errors import ReasonError, did_you_mean

ENV_PREFIX = "REASON_"
NO_WEIGHT = -1.0
MOST_SEED = 2**32 - 1  # NumPy's
T = TypeVar("T")


# --- the core's tables -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelOptions:
    """`[model]`: the core's two keys; the chosen architecture's own options stand in the same table."""

    arch: str = option("small", "architecture, or a preset of one")
    tokenizer: str = option(
        "", "'bytes', 'bpe:SIZE' (trained on the training rows), a hub id or a path; empty: the architecture's own"
    )


@dataclass(frozen=True)
class SourceOptions:
    """A table of `[[data.sources]]`: one source of rows, with what `NAME[:SPLIT][@N]` cannot say."""

    dataset: str = option("", "NAME, FILE, folder or hub id, as NAME[:SPLIT][@N]")
    split: str = option("", "split, if `dataset` names none")
    take: int = option(0, "rows at most, if `dataset` says none; 0: all", minimum=0)
    weight: float = option(
        NO_WEIGHT, "share of what is trained on, relative to the others; without any, all rows once", minimum=0.0
    )
    format: str = option("", "dataset whose formatter reads the rows, where `dataset` is a file or a hub id")
    columns: Mapping[str, str] = option(None, "options of the formatter for this source alone, such as column names")
    fallback: str = option("", "source to take when this one cannot be had, as NAME[:SPLIT][@N]")


@dataclass(frozen=True)
class DataOptions:
    """`[data]`: what is learned from. A dataset's own options stand in `[data.NAME]`."""

    dataset: tuple[str, ...] = option(
        ("word-problems",),
        "NAME, FILE, folder or hub id, as NAME[:SPLIT][@N]; N rows at most; may repeat",
        replaces="sources",
    )
    sources: tuple[SourceOptions, ...] = option(
        (), "[[data.sources]]: sources with weights, columns and fallbacks, in place of `dataset`", replaces="dataset"
    )
    text_column: str = option(
        "", "columns of a file or hub id, such as 'instruction,output': the last is the answer; one alone is plain text"
    )
    validation: tuple[str, ...] = option((), "datasets to watch the loss on, in place of validation_split")
    validation_split: float = option(
        0.01, "share of the training rows that is held out to watch the loss", minimum=0.0, maximum=0.5
    )
    max_rows: int = option(100_000, "rows to make where a dataset is endless and no @N is given", minimum=1)
    style: str = option(
        "think", "how the assistant writes reasoning and answer", choices=("think", "hash", "boxed", "plain")
    )
    system_prompt: str = option("", "system message put before every question; empty: none")
    reasoning: bool = option(True, "learn how examples are solved too; without it their answers alone")
    prefill: str = option("", "what every reply is begun with, given and not learned, such as '<think>'")
    too_long: str = option(
        "drop", "examples over max_seq_len: counted and dropped, or the run refused", choices=("drop", "refuse")
    )
    bad_rows: str = option(
        "skip", "rows that cannot be read: skipped, up to 5% of all, or the run refused", choices=("skip", "refuse")
    )
    duplicates: str = option(
        "keep",
        "rows whose question came before: kept, or dropped when it is the same, or nearly the same",
        choices=("keep", "drop", "drop-near"),
    )
    decontaminate: bool = option(True, "drop rows that hold a test question of a known benchmark")
    packing: str = option(
        "text", "what shares rows of max_seq_len tokens, each document on its own state", choices=("off", "text", "all")
    )
    streaming: str = option(
        "auto", "read rows as they are trained on; auto: where a source is too large", choices=("auto", "on", "off")
    )
    window_rows: int = option(20_000, "rows that are shuffled together when streaming", minimum=1)
    cache: bool = option(True, "keep token ids on disk for the next run on the same rows")


@dataclass(frozen=True)
class TrainOptions:
    """`[train]`: the optimisation and its record."""

    method: str = option(
        "sft",
        "what is learned from: solutions (sft), own answers, graded (grpo), or a better and a worse reply (dpo)",
        choices=("sft", "grpo", "dpo"),
    )
    init_from: str = option(
        "", "begin with the weights and the tokenizer of a run, a folder or a hub id of the same architecture"
    )
    learning_rate: float = option(3e-4, "peak learning rate", minimum=0.0)
    warmup_steps: int = option(2_000, "steps of linear warm-up", minimum=0)
    max_steps: int = option(100_000, "optimizer steps", minimum=1)
    max_minutes: float = option(
        0.0, "end the run, learning rate decayed, after so many minutes; 0: no limit", minimum=0.0
    )
    save_steps: int = option(5_000, "steps between checkpoints", minimum=1)
    eval_steps: int = option(5_000, "steps between validations", minimum=1)
    logging_steps: int = option(10, "steps between lines of metrics", minimum=1)
    keep_checkpoints: int = option(3, "newest checkpoints kept", minimum=1)
    micro_batch_size: int = option(8, "rows per forward pass", minimum=1)
    gradient_accumulation_steps: int = option(1, "forward passes per optimizer step", minimum=1)
    lr_scheduler: str = option(
        "cosine", "how the learning rate falls after warm-up", choices=("cosine", "linear", "constant")
    )
    optimizer: str = option(
        "adamw",
        "AdamW, its states in 8 bit or paged to the host (bitsandbytes), or Adafactor, which keeps next to none",
        choices=("adamw", "adamw_8bit", "paged_adamw", "paged_adamw_8bit", "adafactor"),
    )
    weight_decay: float = option(0.1, "AdamW's weight decay, on matrices only", minimum=0.0)
    adam_beta1: float = option(0.9, "AdamW's beta1", minimum=0.0, maximum=0.9999)
    adam_beta2: float = option(0.95, "AdamW's beta2", minimum=0.0, maximum=0.9999)
    max_grad_norm: float = option(1.0, "gradients are clipped to this norm; 0: not clipped", minimum=0.0)
    ema_decay: float = option(
        0.0,
        "decay of a moving average of the weights, which is what is validated, saved and ends the run; 0: none, 0.999 "
        "is usual",
        minimum=0.0,
        maximum=0.9999,
    )
    gradient_checkpointing: bool = option(False, "recompute activations in backward: less memory, more time")
    compile: bool = option(False, "compile the model with torch.compile: minutes at first, faster steps on a GPU")
    parallel: str = option(
        "ddp",
        "with several processes, each holds the whole model (ddp), or a share of its parameters, gradients and "
        "optimizer (fsdp)",
        choices=("ddp", "fsdp"),
    )
    seed: int = option(0, "seed of Python, NumPy, torch, CUDA, and the order of the rows", minimum=0, maximum=MOST_SEED)
    samples: int = option(3, "answers generated and shown at each validation", minimum=0)
    eval_accuracy: int = option(
        0, "held-out questions answered and graded at each validation; 0: the loss alone", minimum=0
    )
    load_best: str = option(
        "off",
        "end with the checkpoint that was best on the held-out rows, by this",
        choices=("off", "loss", "accuracy"),
    )


@dataclass(frozen=True)
class GrpoOptions:
    """`[grpo]`: reinforcement by the graders of this project (`train.method grpo`); names are TRL's own.

    The reward of an answer is the sum of its parts times their weights.
    """

    num_generations: int = option(8, "answers drawn to each question, which are compared with each other", minimum=2)
    max_completion_length: int = option(256, "longest answer in tokens", minimum=1)
    temperature: float = option(1.0, "temperature that answers are drawn at", minimum=0.01)
    top_p: float = option(1.0, "nucleus of the distribution that is drawn from", minimum=0.01, maximum=1.0)
    beta: float = option(0.0, "weight of the distance (KL) from the model that was begun with; 0: none", minimum=0.0)
    epsilon: float = option(0.2, "a token's probability ratio is clipped to 1 ± this", minimum=0.0)
    num_iterations: int = option(1, "optimizer steps on the same answers", minimum=1)
    loss_type: str = option("dapo", "how tokens and answers are averaged", choices=("dapo", "grpo", "dr_grpo", "bnpo"))
    correct_weight: float = option(1.0, "weight of 1 for a right answer, as `reason eval` grades it")
    format_weight: float = option(0.1, "weight of 1 for an answer that stands after an explicit marker, right or not")
    length_weight: float = option(0.0, "weight of the share of max_completion_length that an answer leaves unused")


@dataclass(frozen=True)
class DpoOptions:
    """`[dpo]`: preferences (`train.method dpo`): which columns hold them, and the loss; names are TRL's own."""

    prompt: str = option("", "column with what is asked; empty: prompt, question or instruction")
    chosen: str = option("chosen", "column with the better reply")
    rejected: str = option("rejected", "column with the worse reply")
    beta: float = option(0.1, "how close to the model that was begun with; higher is closer", minimum=0.0)
    loss_type: str = option("sigmoid", "the loss on a pair", choices=("sigmoid", "hinge", "ipo"))


@dataclass(frozen=True)
class EvalOptions:
    """`[eval]`: how answers are generated and graded."""

    after_training: tuple[str, ...] = option((), "datasets that `reason train` evaluates itself on at its end")
    limit: int = option(0, "questions per dataset that names no @N; 0: all (of an endless dataset: 200)", minimum=0)
    shots: int = option(0, "solved examples before each question, drawn from the train split", minimum=0, maximum=100)
    template: str = option(
        "",
        "text around a question in place of the tokenizer's chat template, such as 'Question: {question}\\nAnswer:'",
    )
    batch_size: int = option(64, "answers written at once, at most; fewer where memory is short", minimum=1)
    max_new_tokens: int = option(512, "longest answer in tokens", minimum=1)
    stop: tuple[str, ...] = option((), "texts before which an answer ends, besides the end token")
    samples: int = option(1, "answers to each question; over 1: pass@k and maj@k", minimum=1, maximum=10_000)
    temperature: float = option(0.0, "0: greedy; above: sampled", minimum=0.0)
    top_p: float = option(1.0, "nucleus of the distribution that is sampled from", minimum=0.0, maximum=1.0)
    eval_seed: int = option(
        1234, "seed of sampling, of shots and of generated test questions", minimum=0, maximum=MOST_SEED
    )
    backend: str = option(
        "auto",
        "what generates: torch, vllm where it is installed (CUDA), or what an exported model runs in, such as "
        "onnxruntime; auto: torch, or the latter",
    )
    resume: bool = option(
        True, "take over the answers of an evaluation with the same model, questions and settings, finished or not"
    )
    extractor: str = option("", "answer extractor; empty: the one that the dataset names")
    report: bool = option(True, "write report.html with its plots, and lm-evaluation-harness's files")
    calculator: bool = option(
        False, "fill in the exact result where the model writes `<<48/2=`; the accuracy is then one with a tool"
    )


@dataclass(frozen=True)
class HardwareOptions:
    """`[hardware]`: where it runs. `auto` is found out on the machine, never guessed."""

    device: str = option("auto", "where to run", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = option(
        "auto", "arithmetic of the matrix products; parameters stay float32", choices=("auto", "fp32", "bf16", "fp16")
    )
    threads: int = option(0, "CPU threads of each process; 0: all cores, divided among the processes", minimum=0)
    vram_auto: bool = option(
        True, "rows that go through the model at a time as memory allows; those of a step stay what the settings say"
    )
    vram: str = option("", "memory to stay within, in GiB, such as 16gb or 15.5; empty: what is free")
    vram_safety_margin: int = option(
        2048, "MiB of it that are left free; on a CPU at most a quarter of what there is", minimum=0
    )


CORE_TABLES: Mapping[str, type] = {
    "model": ModelOptions,
    "data": DataOptions,
    "train": TrainOptions,
    "grpo": GrpoOptions,
    "dpo": DpoOptions,
    "eval": EvalOptions,
    "hardware": HardwareOptions,
}


# --- schema ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """One option as the schema sees it."""

    table: str
    name: str
    type: Any
    default: Any
    metadata: Mapping[str, Any]

    @property
    def path(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def env(self) -> str:
        return ENV_PREFIX + self.path.upper().replace(".", "_").replace("-", "_")

    @property
    def help(self) -> str:
        return self.metadata.get("help", "")

    @property
    def many(self) -> bool:
        return get_origin(self.type) is tuple

    @property
    def tables(self) -> bool:
        """Whether its value is a list of tables, which TOML alone can write."""
        return self.many and dataclasses.is_dataclass(get_args(self.type)[0])


def keys_of(table: str, options: type) -> list[Key]:
    """The keys that a dataclass of options gives to a table, in the order they are written."""
    hints = get_type_hints(options)
    return [Key(table, f.name, hints[f.name], f.default, f.metadata) for f in dataclasses.fields(options)]


class Schema:
    """Every table and key that may be set in one command."""

    def __init__(self, tables: Iterable[tuple[str, type]]) -> None:
        self.tables: dict[str, dict[str, Key]] = {}
        for table, options in tables:
            self.tables.setdefault(table, {}).update({k.name: k for k in keys_of(table, options)})

    def __iter__(self) -> Iterator[Key]:
        for keys in self.tables.values():
            yield from keys.values()

    def key(self, path: str, source: str) -> Key:
        """The key of `table.key`. Raises `ReasonError` with a suggestion when there is none."""
        table, _, name = path.rpartition(".")
        key = self.tables.get(table, {}).get(name)
        if key is None:
            known = [k.path for k in self]
            raise ReasonError(
                f"unknown setting '{path}' ({source})",
                f"{did_you_mean(path, known)}`reason train --dry-run` lists every setting",
                usage=True,
            )
        return key


# --- layers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layer:
    """Values that come from one place: a profile file, the environment, the command line, a preset."""

    source: str
    values: Mapping[str, Any]  # "table.key" -> raw value

    @classmethod
    def nested(cls, source: str, tables: Mapping[str, Any], schema: Schema) -> Layer:
        """A layer from TOML's nested tables; a nested table of the schema is entered, any other refused."""
        return cls(source, dict(_flatten("", tables, schema, source)))

    @classmethod
    def assignments(cls, source: str, items: Iterable[str]) -> Layer:
        """A layer from `--set table.key=value` texts."""
        values = {}
        for item in items:
            path, equals, value = item.partition("=")
            if not equals or "." not in path:
                raise ReasonError(f"cannot read '{item}' ({source})", "write it as table.key=value", usage=True)
            values[path.strip()] = value.strip()
        return cls(source, values)

    @classmethod
    def environment(cls, environ: Mapping[str, str], schema: Schema) -> Layer:
        """The `REASON_TABLE_KEY` variables. One that names a table but no key of it is refused."""
        known = {key.env: key for key in schema}
        tables = {table.partition(".")[0] for table in (*CORE_TABLES, *schema.tables)}
        prefixes = tuple(f"{ENV_PREFIX}{table.upper()}_" for table in sorted(tables))
        values = {}
        for name in sorted(n for n in environ if n.startswith(prefixes)):
            if name not in known:
                hint = f"{did_you_mean(name, known)}unset it, or `reason train --dry-run` lists every setting"
                raise ReasonError(f"unknown setting '{name}' (environment)", hint, usage=True)
            values[known[name].path] = environ[name]
        return cls("environment", values)


def _flatten(prefix: str, tables: Mapping[str, Any], schema: Schema, source: str) -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Mapping):
            if not any(t == path or t.startswith(path + ".") for t in schema.tables):
                raise ReasonError(
                    f"unknown table '[{path}]' ({source})",
                    f"{did_you_mean(path, schema.tables)}tables are {', '.join(sorted(schema.tables))}",
                    usage=True,
                )
            yield from _flatten(path, value, schema, source)
        else:
            yield path, value


# --- resolution ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """One resolved value and where it came from."""

    value: Any
    source: str


class Settings:
    """Every key of a schema with its resolved value and its source."""

    def __init__(self, schema: Schema, values: Mapping[str, Setting]) -> None:
        self.schema = schema
        self._values = values

    def __getitem__(self, path: str) -> Setting:
        return self._values[path]

    def items(self) -> Iterator[tuple[Key, Setting]]:
        for key in self.schema:
            yield key, self._values[key.path]

    def make(self, options: type[T], table: str) -> T:
        """The dataclass of a table, filled in."""
        names = [f.name for f in dataclasses.fields(options)]  # type: ignore[arg-type]
        return options(**{name: self._values[f"{table}.{name}"].value for name in names})

    def as_tables(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Values and sources, each as nested tables, as `run.toml` holds them."""
        values: dict[str, Any] = {}
        sources: dict[str, Any] = {}
        for key, setting in self.items():
            for tree, leaf in ((values, setting.value), (sources, setting.source)):
                for part in key.table.split("."):
                    tree = tree.setdefault(part, {})
                tree[key.name] = [_written(item) for item in leaf] if isinstance(leaf, tuple) else leaf
        return values, sources


def _written(item: Any) -> Any:
    """A list's item as TOML has it: of a table, what differs from the defaults."""
    if not dataclasses.is_dataclass(item):
        return item
    return {f.name: getattr(item, f.name) for f in dataclasses.fields(item) if getattr(item, f.name) != f.default}


def resolve(schema: Schema, layers: Iterable[Layer]) -> Settings:
    """Defaults, then each layer in order; later wins. Raises `ReasonError` for an unknown key or a bad value."""
    values = {key.path: Setting(key.default, "default") for key in schema}
    for layer in layers:
        keys = {path: schema.key(path, layer.source) for path in layer.values}
        for path, key in keys.items():
            values[path] = Setting(convert(key, layer.values[path], layer.source), layer.source)
            other = f"{key.table}.{key.metadata.get('replaces')}"
            if values[path].value and other in values:
                _take_back(values, layer, path, schema.key(other, layer.source))
    return Settings(schema, values)


def _take_back(values: dict[str, Setting], layer: Layer, path: str, other: Key) -> None:
    """`path` stands in the place of `other`: what earlier layers gave that one is void."""
    if layer.values.get(other.path):
        raise ReasonError(f"{path} and {other.path} are both set ({layer.source})", "set one of them", usage=True)
    values[other.path] = Setting((), f"replaced by {path}")


def convert(key: Key, raw: Any, source: str) -> Any:
    """A raw value, text or TOML, as the key's type, its bounds and choices checked."""
    if get_origin(key.type) is Mapping:
        return _texts(key, raw, source)
    value = _sequence(key, raw, source) if key.many else _scalar(key, key.type, raw, source)
    choices = key.metadata.get("choices")
    if choices and value not in choices:
        hint = f"{did_you_mean(str(value), choices)}it takes {', '.join(choices)}"
        raise _bad(key, raw, source, hint)
    low, high = key.metadata.get("minimum"), key.metadata.get("maximum")
    if (low is not None and value < low) or (high is not None and value > high):
        raise _bad(key, raw, source, f"it must be {_bounds(low, high)}")
    return value


def _bounds(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {low:g}"
    return f"at most {high:.12g}" if low is None else f"between {low:g} and {high:.12g}"


def _sequence(key: Key, raw: Any, source: str) -> tuple[Any, ...]:
    item_type = get_args(key.type)[0]
    if isinstance(raw, str) and not key.tables:
        raw = [part.strip() for part in raw.split(",") if part.strip()]
    if not isinstance(raw, (list, tuple)):
        raise _bad(key, raw, source, f"write it as [[{key.path}]] in a profile" if key.tables else "it takes a list")
    if key.tables:
        return tuple(_record(key, item_type, item, source) for item in raw)
    return tuple(_scalar(key, item_type, item, source) for item in raw)


def _record(key: Key, kind: type, raw: Any, source: str) -> Any:
    """A table of a list of tables, as the dataclass that describes it."""
    if isinstance(raw, kind):
        return raw
    if not isinstance(raw, Mapping):
        raise _bad(key, raw, source, f"write it as [[{key.path}]]")
    keys = {item.name: item for item in keys_of(key.path, kind)}
    for name in raw:
        if name not in keys:
            hint = f"{did_you_mean(name, keys)}keys are {', '.join(keys)}"
            raise ReasonError(f"unknown key '{name}' in [[{key.path}]] ({source})", hint, usage=True)
    return kind(**{name: convert(keys[name], value, source) for name, value in raw.items()})


def _texts(key: Key, raw: Any, source: str) -> dict[str, str]:
    if not isinstance(raw, Mapping) or not all(isinstance(value, str) for value in raw.values()):
        raise _bad(key, raw, source, "it takes a table of texts")
    return dict(raw)


_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _scalar(key: Key, kind: type, raw: Any, source: str) -> Any:
    if kind is bool and isinstance(raw, str) and raw.lower() in _WORDS:
        return _WORDS[raw.lower()]
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if kind in (int, float) and isinstance(raw, str):
        try:
            raw = kind(raw.replace("_", ""))
        except ValueError:
            raise _bad(key, raw, source, f"it takes {_NAMES[kind]}") from None
    if type(raw) is not kind or not _finite(raw):
        raise _bad(key, raw, source, f"it takes {_NAMES[kind]}")
    return raw


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


_NAMES: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _bad(key: Key, raw: Any, source: str, hint: str) -> ReasonError:
    return ReasonError(f"{key.path} cannot be {raw!r} ({source})", hint, usage=True)
