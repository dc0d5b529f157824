"""plugins/README.md, block by block, and our own plugin installed under another name: both by pip, offline."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from support import ROOT

GUIDE = ROOT / "plugins" / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.\w+)( \(added\))?\n")


class Workshop:
    """A virtual environment that sees this one's packages, in which commands are typed as the guide says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = folder / "environment"
        venv.create(self.environment)
        python = self.environment / "bin" / "python"
        site = Path(sysconfig.get_path("purelib", vars={"base": str(self.environment)}))
        (site / "outer.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        for name, start in {
            "reason": "from reason_cli.cli.main import main; main()",
            "pip": "from pip._internal.cli.main import main; sys.exit(main())",
            "pytest": "import pytest; sys.exit(pytest.console_main())",
        }.items():
            script = self.environment / "bin" / name
            script.write_text(f"#!{python}\nimport sys\n{start}\n")
            script.chmod(0o755)

    def type(self, commands: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYTHONPATH", "PYTEST_", "PIP_"))},
            "PATH": f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this as "no isolation": hatchling is taken from here
            "COLUMNS": "200",
        }
        done = subprocess.run(
            ["bash", "-euc", commands], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert not check or done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done

    def plugins(self) -> dict[str, dict]:
        return {row["name"]: row for row in json.loads(self.type("reason plugins --json").stdout)["plugins"]}


@pytest.fixture
def workshop(tmp_path):
    if sys.platform == "win32":
        pytest.skip("the blocks are typed into bash")
    return Workshop(tmp_path)


def blocks():
    return BLOCK.findall(GUIDE.read_text(encoding="utf-8"))


def test_every_block_of_the_guide_runs(workshop):
    typed = []
    for language, text in blocks():
        if language == "sh":
            typed.append((text, workshop.type(text).stdout))
            continue
        head = FILE.match(text)
        assert head, f"a block that is no file and no command:\n{text}"
        path = workshop.folder / head[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if head[2] else "w", encoding="utf-8") as file:
            file.write(("\n\n" if head[2] else "") + text[head.end() :])
    said = "".join(output for _, output in typed)
    assert any(output == "2\n" for _, output in typed), "nine o'clock and five hours"
    assert "clock" in said and "1 passed" in said and "3 passed" in said and "4 passed" in said and "accuracy" in said
    row = workshop.plugins()["clock"]
    assert (row["status"], row["distribution"]) == ("ok", "reason-clock")
    assert row["provides"] == {
        "architecture": ["pocket", "pocket-large"], "dataset": ["clock"], "extractor": ["letter"], "command": ["clock"],
            "exporter": ["npz"],
    }  # fmt: skip
    refused = workshop.type("reason clock 13 1", check=False)
    assert (refused.returncode, refused.stderr) == (1, "error: no clock shows 13; give an hour from 1 to 12\n")
    disabled = json.loads(workshop.type("REASON_DISABLE_PLUGINS=clock reason plugins --json").stdout)["plugins"]
    assert next(r for r in disabled if r["name"] == "clock")["status"] == "disabled"


def test_the_guide_names_every_hook_and_every_contract_test():
    from reason_cli import testing
    from reason_cli.plugins import HOOKS

    text = GUIDE.read_text(encoding="utf-8")
    for name in (*HOOKS, *(n for n in vars(testing) if n.startswith("check_"))):
        assert name in text, name


def test_one_of_our_own_plugins_installs_under_another_name(workshop):
    """Built-in plugins take the public road only: moved out and renamed, one is as good as ever."""
    source, copy = ROOT / "plugins" / "reason-answers", workshop.folder / "reason-copied"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "reason_answers").rename(copy / "reason_copied")
    for path in [copy / "pyproject.toml", *copy.rglob("*.py")]:
        text = path.read_text(encoding="utf-8").replace("reason_answers", "reason_copied")
        path.write_text(text.replace("reason-answers", "reason-copied").replace("\nanswers =", "\ncopied ="), "utf-8")
    assert "copied" not in workshop.plugins()
    workshop.type("pip install -q ./reason-copied")
    rows = workshop.plugins()
    assert (rows["copied"]["status"], rows["copied"]["distribution"]) == ("ok", "reason-copied")
    assert rows["copied"]["provides"] == rows["answers"]["provides"]
    assert "number" in rows["copied"]["provides"]["extractor"]
    alone = json.loads(workshop.type("REASON_DISABLE_PLUGINS=answers reason plugins --json").stdout)
    assert alone["conflicts"] == []
