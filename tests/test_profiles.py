"""Profiles: where they are found, how they build on one another, what `reason profiles` shows."""

from __future__ import annotations

import pytest
from support import ROOT, run

from reason_cli import profiles
from reason_cli.errors import ReasonError


@pytest.fixture
def write(tmp_path):
    """Write NAME.toml into a folder of the current one; ./profiles unless another is named."""

    def write(name: str, text: str, folder: str = "profiles"):
        path = tmp_path / folder / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def names(*profile_names):
    return [profile.name for profile in profiles.chain(profile_names)]


def test_what_is_extended_comes_first(write):
    write("base", "[train]\nmax_steps = 1\n")
    write("middle", 'extends = ["base"]\n')
    write("top", 'extends = ["middle", "cpu"]\n')
    assert names("top") == ["base", "middle", "cpu", "top"]
    assert names("cpu", "middle") == ["cpu", "base", "middle"]


def test_extends_may_be_one_name(write):
    write("top", 'extends = "cpu"\n')
    assert names("top") == ["cpu", "top"]


def test_a_base_of_two_bases_counts_once_and_does_not_undo_what_was_built_on_it(tiny, write):
    write("base", "[train]\nmax_steps = 1\n")
    write("one", 'extends = ["base"]\n[train]\nmax_steps = 2\n')
    write("two", 'extends = ["base"]\n')
    write("top", 'extends = ["one", "two"]\n')
    assert names("top") == ["base", "one", "two", "top"]


def test_naming_a_profile_again_applies_it_again(write):
    assert names("fast", "careful", "fast") == ["fast", "careful", "fast"]


def test_a_circle_is_an_error_that_shows_it(write):
    write("a", 'extends = ["b"]\n')
    write("b", 'extends = ["a"]\n')
    result = run("train", "--dry-run", "--profile", "a")
    assert result.code in (1, 2)
    assert "a -> b -> a" in result.error_line


def test_an_unknown_base_is_named(write):
    write("a", 'extends = ["fasst"]\n')
    result = run("train", "--dry-run", "--profile", "a")
    assert result.code == 2 and "unknown profile 'fasst'; did you mean 'fast'?" in result.error_line


@pytest.mark.parametrize("line", ["extends = 3", "extends = [3]", 'description = ["x"]'])
def test_malformed_heads_name_the_file(write, line):
    path = write("a", line + "\n")
    assert path.name in run("train", "--dry-run", "--profile", "a").error_line


def test_by_path_and_relative_to_here(write, tmp_path):
    path = write("mine", "[train]\nmax_steps = 3\n", folder="elsewhere")
    assert profiles.find(str(path)).settings == {"train": {"max_steps": 3}}
    assert profiles.find("elsewhere/mine.toml").path.resolve() == path.resolve()
    with pytest.raises(ReasonError, match="no profile file"):
        profiles.find("elsewhere/none.toml")


def test_here_comes_before_the_user_and_the_user_before_the_package(write, tmp_path, monkeypatch):
    assert "50,000" in profiles.find("fast").description
    write("fast", 'description = "the user\'s"\n', folder="config/reason/profiles")
    assert profiles.find("fast").description == "the user's"
    assert profiles.available()["fast"][0] == "user"
    write("fast", 'description = "here"\n')
    assert profiles.find("fast").description == "here"
    assert profiles.available()["fast"][0] == "here"
    assert profiles.available()["careful"][0] == "built in"


def test_without_xdg_the_users_folder_is_in_home(write, tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    write("mine", 'description = "x"\n', folder=".config/reason/profiles")
    assert profiles.find("mine").description == "x"


def test_the_list_shows_every_profile_with_what_it_is_for(write):
    write("mine", 'description = "my own settings"\n')
    text = run("profiles").ok().out
    assert "my own settings" in text
    for path in (ROOT / "profiles").glob("*.toml"):
        assert path.stem in text and profiles.find(path.stem).description in text


def test_one_profile_is_shown_whole(write):
    text = run("profiles", "fast").ok().out
    path = ROOT / "profiles" / "fast.toml"
    assert path.read_text(encoding="utf-8").strip() in text
    assert str(path) in text


def test_an_unknown_profile_suggests(write):
    for command in (["profiles", "quikstart"], ["train", "--dry-run", "--profile", "quikstart"]):
        result = run(*command)
        assert result.code == 2
        assert "unknown profile 'quikstart'; did you mean 'quickstart'?" in result.error_line


def test_a_runs_settings_file_is_a_profile_without_its_record(trained, tiny):
    folder, _ = trained
    profile = profiles.find(str(folder / "run.toml"))
    assert set(profile.settings) >= {"model", "data", "train"}
    assert not set(profile.settings) & {"run", "sources"}
    text = run("train", "--dry-run", "--profile", folder / "run.toml").ok().out
    line = next(line for line in text.splitlines() if line.startswith("train.max_steps"))
    assert line.split()[1] == "30" and "profile" in line


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "profiles").glob("*.toml")))
def test_every_built_in_profile_is_described_and_resolves(name):
    assert profiles.find(name).description
    run("train", "--dry-run", "--profile", name, "--set", "model.tokenizer=bytes").ok()


@pytest.mark.parametrize(
    ("name", "rate", "warmup", "steps", "every"),
    [
        ("fast", 5e-4, 1_000, 50_000, 2_500),
        ("default", 3e-4, 2_000, 100_000, 5_000),
        ("careful", 1e-4, 5_000, 200_000, 10_000),
    ],
)
def test_the_schedules_hold_their_figures(name, rate, warmup, steps, every):
    train = profiles.find(name).settings["train"]
    assert (train["learning_rate"], train["warmup_steps"], train["max_steps"]) == (rate, warmup, steps)
    assert train["save_steps"] == train["eval_steps"] == every and train["max_grad_norm"] == 1.0


def test_a_broken_profile_is_listed_as_such_and_hides_no_other(write):
    write("broken", "[train\n")
    result = run("profiles").ok()
    assert "FAILED: " in result.out and "quickstart" in result.out


def test_a_file_that_an_editor_began_with_a_mark_is_read(tmp_path):
    from reason_cli.toml import read_toml

    (tmp_path / "own.toml").write_text("[train]\nseed = 3\n", encoding="utf-8-sig")
    assert read_toml(tmp_path / "own.toml") == {"train": {"seed": 3}}
