"""The README tells the truth: its reference is generated, and everything that can be named is in it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest
from support import ROOT, run

from reason_cli import profiles
from reason_cli.cli.main import BUILTIN
from reason_cli.plugins import HOOKS, build_switchboard

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
BOARD = build_switchboard()


def names():
    """Every command, architecture, preset, dataset, extractor, exporter, hook and built-in profile."""
    for kind in ("command", "architecture", "dataset", "extractor", "exporter"):
        yield from ((kind, name) for name in BOARD.names(kind))
    yield from (("command", name) for name in BUILTIN)
    yield from (("hook", name) for name in HOOKS)
    yield from (("profile", path.stem) for path in sorted((ROOT / "profiles").glob("*.toml")))


@pytest.mark.parametrize(("kind", "name"), sorted(names()), ids=lambda value: value)
def test_everything_that_has_a_name_is_documented(kind, name):
    assert re.search(rf"`(reason )?{re.escape(name)}`", README + GUIDE), f"{kind} {name} is nowhere in the READMEs"


def test_the_generated_reference_is_up_to_date():
    """`cog -r README.md` would change nothing."""
    pytest.importorskip("cogapp")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("REASON_") and k not in ("COLUMNS", "NO_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "cogapp", "--check", "README.md"], cwd=ROOT, env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, f"run `cog -r README.md`\n{done.stdout}{done.stderr}"


def shell_lines():
    """Every `reason …` line of the README's shell blocks."""
    for block in re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if "reason " in line and not line.startswith("#"):
                yield line[line.index("reason ") :]


@pytest.mark.parametrize("line", sorted(set(shell_lines())))
def test_the_commands_of_the_readme_are_understood(line, tmp_path, monkeypatch):
    """Names, flags and settings in the README exist: each line is planned, or fails for its files alone."""
    _, command, *rest = shlex.split(line)
    if command == "train" and "--dry-run" not in rest:
        rest.append("--dry-run")
    if "mine" in rest:
        text = re.search(r"```toml\n# profiles/mine.toml\n(.*?)```", README, re.DOTALL)
        assert text, "the profile that the README speaks of"
        (tmp_path / "profiles").mkdir()
        (tmp_path / "profiles" / "mine.toml").write_text(text[1], encoding="utf-8")
    if "problems.jsonl" in rest:
        (tmp_path / "problems.jsonl").write_text('{"input": "2 + 2?", "target": "4"}\n', encoding="utf-8")
    if "pairs.jsonl" in rest:
        (tmp_path / "pairs.jsonl").write_text('{"prompt": "1?", "chosen": "1", "rejected": "2"}\n', encoding="utf-8")
    if "outputs.jsonl" in rest:
        (tmp_path / "outputs.jsonl").write_text('{"output": "#### 4", "target": "4"}\n', encoding="utf-8")
    result = run(command, *rest)
    if "gsm8k:train" in rest:
        assert "dataset 'openai/gsm8k' cannot be had from the hub" in result.error_line
    elif "openai-community/gpt2" in rest:
        assert "openai-community/gpt2" in result.error_line
    elif "model.base=runs/base/final" in rest:
        assert "runs/base/final" in result.error_line
    elif {"--resume", "--checkpoint", "--init-from"} & set(rest) or command == "compare":
        assert re.search(r"runs/(gsm8k|sudoku4)\b", result.error_line)
    else:
        result.ok()


def test_the_links_of_the_readmes_lead_somewhere():
    for text, folder in ((README, ROOT), (GUIDE, ROOT / "plugins")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (folder / target).exists(), target


def test_the_test_command_of_the_readme_is_what_ci_runs():
    command = 'pip install -c constraints.txt -e ".[test]" && pytest -q'
    assert command in README
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_profile_resolves_what_it_extends():
    for path in (ROOT / "profiles").glob("*.toml"):
        assert profiles.chain([path.stem])


def test_the_changelog_has_this_version():
    from reason_cli import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
