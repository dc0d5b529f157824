"""Settings: which source wins, what a value may be, and what is said of one that may not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from support import run

from reason_cli.api import option
from reason_cli.config import CORE_TABLES, Layer, Schema, TrainOptions, resolve
from reason_cli.errors import ReasonError

# --- through the command line ------------------------------------------------------------------------------


def plan(*arguments):
    """`reason train --dry-run`: setting -> (value, source)."""
    lines = run("train", "--arch", "tiny-llama", "--dry-run", *arguments).ok().out.splitlines()
    value, source = lines[0].index("value"), lines[0].index("source")
    table = lines[1 : lines.index("")]
    return {line[:value].strip(): (line[value:source].strip(), line[source:].strip()) for line in table}


@pytest.fixture
def profile(tmp_path):
    """Write a profile into ./profiles."""

    def write(name: str, text: str) -> str:
        (tmp_path / "profiles").mkdir(exist_ok=True)
        (tmp_path / "profiles" / f"{name}.toml").write_text(text, encoding="utf-8")
        return name

    return write


def test_each_source_wins_over_the_one_below_it(tiny, profile, monkeypatch):
    first = profile("first", "[train]\nmax_steps = 11\n")
    second = profile("second", "[train]\nmax_steps = 12\n")
    both = ("--profile", first, "--profile", second)

    assert plan()["train.max_steps"] == ("100000", "default")
    assert plan("--profile", first)["train.max_steps"] == ("11", "profile first")
    assert plan(*both)["train.max_steps"] == ("12", "profile second")
    assert plan("--profile", second, "--profile", first)["train.max_steps"] == ("11", "profile first")
    monkeypatch.setenv("REASON_TRAIN_MAX_STEPS", "13")
    assert plan(*both)["train.max_steps"] == ("13", "environment")
    assert plan(*both, "--max-steps", "14")["train.max_steps"] == ("14", "command line")
    assert plan(*both, "--set", "train.max_steps=15")["train.max_steps"] == ("15", "command line")


def test_preset_stands_between_default_and_profile(tiny, profile):
    name = profile("narrow", "[model]\nd_model = 48\n")
    wide = ("--arch", "tiny-llama-wide")
    assert plan()["model.d_model"] == ("32", "default")
    assert plan(*wide)["model.d_model"] == ("64", "preset tiny-llama-wide")
    assert plan(*wide, "--profile", name)["model.d_model"] == ("48", "profile narrow")


def test_arch_itself_may_come_from_profile_or_environment(tiny, profile, monkeypatch):
    name = profile("wide", '[model]\narch = "tiny-llama-wide"\n')
    without_flag = lambda *more: run("train", "--dry-run", *more).ok().out  # noqa: E731
    assert "preset tiny-llama-wide" in without_flag("--profile", name)
    monkeypatch.setenv("REASON_MODEL_ARCH", "tiny-llama")
    assert "preset tiny-llama-wide" not in without_flag("--profile", name)


CHECKPOINTING = "train.gradient_checkpointing"


@pytest.mark.parametrize(
    ("toml", "flags", "key", "shown"),
    [
        ("[train]\nmax_steps = 5", ["--max-steps", "100000"], "train.max_steps", "100000"),
        ("[train]\nmax_steps = 5", ["--set", "train.max_steps=100000"], "train.max_steps", "100000"),
        ("[train]\nsamples = 9", ["--samples", "0"], "train.samples", "0"),
        ("[train]\nmax_grad_norm = 2.0", ["--max-grad-norm", "0"], "train.max_grad_norm", "0.0"),
        ('[data]\nsystem_prompt = "be brief"', ["--system-prompt", ""], "data.system_prompt", ""),
        ("[train]\ngradient_checkpointing = true", ["--no-gradient-checkpointing"], CHECKPOINTING, "false"),
        ("[train]\ngradient_checkpointing = false", ["--gradient-checkpointing"], CHECKPOINTING, "true"),
        ('[eval]\nafter_training = ["word-problems"]', ["--set", "eval.after_training="], "eval.after_training", ""),
    ],
)  # fmt: skip
def test_a_given_value_wins_though_it_is_empty_or_the_default(tiny, profile, toml, flags, key, shown):
    assert plan("--profile", profile("p", toml), *flags)[key] == (shown, "command line")


def test_set_beats_the_flag_of_the_same_setting_and_the_last_set_wins(tiny):
    assert plan("--set", "train.max_steps=7", "--set", "train.max_steps=8")["train.max_steps"][0] == "8"


def test_lists_come_from_flags_text_and_toml(tiny, profile, monkeypatch):
    two = ("additions,word-problems", "command line")
    assert plan("--dataset", "additions", "--dataset", "word-problems")["data.dataset"] == two
    assert plan("--set", "data.dataset=additions, word-problems")["data.dataset"] == two
    name = profile("p", '[data]\ndataset = ["additions@5"]\n')
    assert plan("--profile", name)["data.dataset"] == ("additions@5", "profile p")
    assert plan("--profile", name, "--dataset", "word-problems")["data.dataset"] == ("word-problems", "command line")
    monkeypatch.setenv("REASON_DATA_DATASET", "additions,word-problems")
    assert plan()["data.dataset"] == ("additions,word-problems", "environment")


def test_an_option_of_a_dataset_is_reached_by_set_profile_and_environment(tiny, profile, monkeypatch):
    words = ("--dataset", "word-problems")
    key = "data.word-problems.max_steps"
    assert plan(*words, "--set", f"{key}=3")[key] == ("3", "command line")
    assert plan(*words, "--profile", profile("p", "[data.word-problems]\nmax_steps = 2\n"))[key][0] == "2"
    monkeypatch.setenv("REASON_DATA_WORD_PROBLEMS_MAX_STEPS", "5")
    assert plan(*words)[key] == ("5", "environment")


def test_every_boolean_flag_has_its_no(tiny):
    text = run("train", "--help").ok().out
    for table, options in CORE_TABLES.items():
        for key in Schema([(table, options)]):
            if key.type is bool and table in ("model", "data", "train", "hardware"):
                flag = key.name.replace("_", "-")
                assert f"--{flag} / --no-{flag}" in " ".join(text.split())


def test_the_dry_run_counts_and_estimates_and_writes_nothing(tiny, tmp_path):
    text = run("train", "--arch", "tiny-llama", "--dry-run", "--output", tmp_path / "run").ok().out
    assert "parameters 28,992" in text
    assert "memory" in text and "activations" in text
    assert not (tmp_path / "run").exists() and not (tmp_path / "runs").exists()


def test_the_dry_run_names_every_setting_of_the_core(tiny):
    shown = plan()
    for key in Schema(CORE_TABLES.items()):
        assert key.path in shown


# --- refusals ----------------------------------------------------------------------------------------------

BAD_VALUES = [
    ("train.max_steps=0", "train.max_steps cannot be '0' (command line); it must be at least 1"),
    ("train.max_steps=many", "it takes a whole number"),
    ("train.max_steps=1.5", "it takes a whole number"),
    ("train.learning_rate=fast", "it takes a number"),
    ("train.learning_rate=-1", "it must be at least 0"),
    ("train.learning_rate=nan", "it takes a number"),
    ("train.learning_rate=inf", "it takes a number"),
    ("train.adam_beta1=1", "it must be between 0 and"),
    ("train.seed=99999999999999999999", "it must be between 0 and"),
    ("data.validation_split=0.9", "it must be between 0 and 0.5"),
    ("train.lr_scheduler=cosin", "did you mean 'cosine'? it takes cosine, linear, constant"),
    ("train.gradient_checkpointing=maybe", "it takes true or false"),
    ("data.dataset=", "there is no dataset to train on"),
    ("train.max_stepz=5", "unknown setting 'train.max_stepz' (command line); did you mean 'train.max_steps'?"),
    ("model.d_modle=5", "did you mean 'model.d_model'?"),
    ("data.word-problems.max_step=5", "did you mean 'data.word-problems.max_steps'?"),
    ("trian.max_steps=5", "did you mean 'train.max_steps'?"),
    ("max_steps=5", "write it as table.key=value"),
    ("train.max_steps", "write it as table.key=value"),
]


@pytest.mark.parametrize(("assignment", "said"), BAD_VALUES, ids=[a for a, _ in BAD_VALUES])
def test_a_bad_set_is_refused_in_one_line(tiny, assignment, said):
    result = run("train", "--arch", "tiny-llama", "--dry-run", "--set", assignment)
    assert result.code == 2
    assert said in result.error_line


BAD_FLAGS = [
    (["--max-steps", "0"], "it must be at least 1"),
    (["--max-steps", "soon"], "'soon' is not a valid integer"),
    (["--lr-scheduler", "cosin"], "'cosin'"),
    (["--max-step", "5"], "--max-steps"),
    (["--learning-rate", "nan"], "it takes a number"),
    (["stray"], "stray"),
]


@pytest.mark.parametrize(("flags", "said"), BAD_FLAGS, ids=[" ".join(f) for f, _ in BAD_FLAGS])
def test_a_bad_flag_is_refused_in_one_line(tiny, flags, said):
    result = run("train", "--arch", "tiny-llama", "--dry-run", *flags)
    assert result.code == 2
    assert said in result.error_line


BAD_TOML = [
    ('[train]\nmax_steps = "many"\n', "train.max_steps cannot be 'many'"),
    ("[train]\nmax_steps = 1.5\n", "train.max_steps cannot be 1.5"),
    ("[train]\nmax_steps = true\n", "it takes a whole number"),
    ("[train]\nlearning_rate = nan\n", "it takes a number"),
    ("[train]\ngradient_checkpointing = 1\n", "it takes true or false"),
    ("[data]\nsystem_prompt = 3\n", "it takes text"),
    ("[data]\ndataset = 3\n", "it takes a list"),
    ("[data]\ndataset = [3]\n", "it takes text"),
    ("[train]\nmax_stepz = 5\n", "did you mean 'train.max_steps'?"),
    ("[trian]\nmax_steps = 5\n", "did you mean 'train'?"),
    ("[train.schedule]\nx = 5\n", "unknown table '[train.schedule]'"),
    ("max_steps = 5\n", "unknown setting 'max_steps'"),
    ("train = 5\n", "unknown setting 'train'"),
]


@pytest.mark.parametrize(("toml", "said"), BAD_TOML, ids=[t.replace("\n", " ") for t, _ in BAD_TOML])
def test_a_bad_profile_is_refused_naming_file_and_key(tiny, tmp_path, toml, said):
    path = tmp_path / "mine.toml"
    path.write_text(toml, encoding="utf-8")
    result = run("train", "--arch", "tiny-llama", "--dry-run", "--profile", path)
    assert result.code == 2
    assert said in result.error_line
    assert str(path) in result.error_line


def test_a_profile_that_is_no_toml_names_file_and_line(tiny, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nmax_steps = = 5\n", encoding="utf-8")
    result = run("train", "--dry-run", "--profile", path)
    assert result.code == 1
    assert str(path) in result.error_line and "line 2" in result.error_line


def test_bad_environment_is_refused_naming_the_variable(tiny, monkeypatch):
    monkeypatch.setenv("REASON_TRAIN_MAX_STEPZ", "5")
    line = run("train", "--arch", "tiny-llama", "--dry-run").error_line
    assert "REASON_TRAIN_MAX_STEPZ" in line and "did you mean 'REASON_TRAIN_MAX_STEPS'?" in line
    monkeypatch.delenv("REASON_TRAIN_MAX_STEPZ")
    monkeypatch.setenv("REASON_TRAIN_MAX_STEPS", "soon")
    line = run("train", "--arch", "tiny-llama", "--dry-run").error_line
    assert "train.max_steps cannot be 'soon' (environment)" in line


def test_reserved_variables_are_no_settings(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("REASON_DATA", str(tmp_path))
    monkeypatch.setenv("REASON_DISABLE_PLUGINS", "nobody")
    assert plan()["train.max_steps"] == ("100000", "default")


# --- the pieces ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    count: int = option(4, "a count", minimum=1)
    share: float = option(0.5, "a share", maximum=1.0)
    names: tuple[str, ...] = option(("a",), "names")
    fast: bool = option(False, "whether")


SCHEMA = Schema([("sample", Sample)])


def value_of(path, raw):
    return resolve(SCHEMA, [Layer("test", {path: raw})])[path].value


@pytest.mark.parametrize(
    ("path", "raw", "value"),
    [
        ("sample.count", "1_000", 1000),
        ("sample.count", 7, 7),
        ("sample.share", 1, 1.0),
        ("sample.share", "1e-3", 0.001),
        ("sample.names", "", ()),
        ("sample.names", "x, y ,", ("x", "y")),
        ("sample.names", ["x,y"], ("x,y",)),
        ("sample.fast", "ON", True),
        ("sample.fast", "0", False),
    ],
)
def test_values_are_converted(path, raw, value):
    converted = value_of(path, raw)
    assert converted == value and type(converted) is type(value)


def test_make_fills_the_dataclass_and_as_tables_round_trips():
    settings = resolve(SCHEMA, [Layer("test", {"sample.names": ["x", "y"], "sample.count": 9})])
    assert settings.make(Sample, "sample") == Sample(9, 0.5, ("x", "y"), False)
    values, sources = settings.as_tables()
    assert values == {"sample": {"count": 9, "share": 0.5, "names": ["x", "y"], "fast": False}}
    assert sources["sample"] == {"count": "test", "share": "default", "names": "test", "fast": "default"}
    again = resolve(SCHEMA, [Layer.nested("run", values, SCHEMA)])
    assert again.make(Sample, "sample") == settings.make(Sample, "sample")


def test_the_last_layer_wins_and_keeps_its_source():
    layers = [Layer("one", {"sample.count": 1}), Layer("two", {"sample.count": 2}), Layer("three", {})]
    setting = resolve(SCHEMA, layers)["sample.count"]
    assert (setting.value, setting.source) == (2, "two")


def test_no_two_settings_share_an_environment_variable():
    from reason_cli.cli.options import core_schema
    from reason_cli.plugins import build_switchboard

    board = build_switchboard()
    for name in board.names("architecture"):
        names = [key.env for key in core_schema(board, board.architecture(name).architecture.Options)]
        assert len(set(names)) == len(names)


def test_every_setting_of_the_core_has_help():
    assert all(key.help for key in Schema(CORE_TABLES.items()))


def test_an_unknown_key_names_its_source():
    with pytest.raises(
        ReasonError, match=r"unknown setting 'sample\.cuont' \(profile x\); did you mean 'sample\.count'"
    ):
        resolve(SCHEMA, [Layer("profile x", {"sample.cuont": 1})])


def test_defaults_are_what_the_issue_names():
    options = TrainOptions()
    assert (options.learning_rate, options.warmup_steps, options.max_steps, options.save_steps) == (
        3e-4, 2_000, 100_000, 5_000,
    )  # fmt: skip
    assert options.max_grad_norm == 1.0
