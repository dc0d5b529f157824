"""What is installed: constraints, tox and CI name the same things, and the wheel holds what it should."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import zipfile

import pytest
from support import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def name_of(requirement):
    return re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_everything_that_is_installed_directly_is_pinned():
    extras = PROJECT["optional-dependencies"]
    wanted = {name_of(item) for item in [*PROJECT["dependencies"], *extras["test"], *extras["dev"]]}
    assert wanted - set(constraints()) <= {"tomli"}, "tomli is for Python 3.10 alone"


def test_pins_are_public_versions_so_that_any_build_of_torch_fits():
    for name, version in constraints().items():
        assert re.fullmatch(r"\d+(\.\d+)+", version), f"{name}=={version}"


@pytest.mark.xdist_group("together")
def test_what_one_worker_is_to_run_it_runs(request):
    """Where groups are lost, which nobody says, every worker makes again what one would make for all."""
    grouped = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@together") or not grouped


def test_tox_has_tests_lint_and_types():
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    assert {"testenv:tests", "testenv:lint", "testenv:types"} <= set(tox.sections())
    assert "ruff check" in tox["testenv:lint"]["commands"] and "ruff format --check" in tox["testenv:lint"]["commands"]


def test_ci_fails_when_a_test_does(tmp_path):
    """The script with an installer that does nothing and a test run that fails, or passes."""
    for code in (0, 1, 3):
        folder = tmp_path / str(code)
        (folder / ".ci").mkdir(parents=True)
        script = folder / ".ci" / "run"
        script.write_text((ROOT / ".ci" / "run").read_text(encoding="utf-8"), encoding="utf-8")
        python = folder / "python"
        python.write_text(
            "#!/usr/bin/env bash\nmkdir -p $3/bin\n"
            "printf '#!/usr/bin/env bash\\n' | tee $3/bin/pip > $3/bin/pytest\n"
            f"echo 'echo installed \"$@\"' >> $3/bin/pip\necho 'exit {code}' >> $3/bin/pytest\nchmod +x $3/bin/*\n"
        )
        python.chmod(0o755)
        environment = {"PYTHON": str(python), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert done.stdout == "installed install -c constraints.txt -e .[test]\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built offline by the hatchling that is here."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_core_every_plugin_and_every_profile(wheel):
    names = set(wheel.namelist())
    for path in (ROOT / "reason_cli").rglob("*.py"):
        assert str(path.relative_to(ROOT)) in names
    for folder in (ROOT / "plugins").glob("reason-*"):
        for path in (folder / folder.name.replace("-", "_")).rglob("*.py"):
            assert str(path.relative_to(folder)) in names
    for path in (ROOT / "profiles").glob("*.toml"):
        assert f"reason_cli/builtin_profiles/{path.name}" in names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "plugins"))]


def test_the_wheel_names_its_entry_points(wheel):
    text = next(wheel.read(name).decode() for name in wheel.namelist() if name.endswith("entry_points.txt"))
    parser = configparser.ConfigParser()
    parser.read_string(text)
    assert dict(parser["reason_cli"]) == PROJECT["entry-points"]["reason_cli"]
    assert parser["console_scripts"]["reason"] == "reason_cli.cli.main:main"


def test_profiles_of_an_installed_wheel_are_found(wheel, tmp_path):
    """Unpacked as pip would: no ./profiles beside the package, yet every name is known."""
    wheel.extractall(tmp_path)
    code = "from reason_cli import profiles; print(profiles.__file__, *sorted(profiles.available()))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    where, *known = done.stdout.split()
    assert where.startswith(str(tmp_path))
    assert known == sorted(path.stem for path in (ROOT / "profiles").glob("*.toml"))
