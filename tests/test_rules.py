"""The rules between the rooms (DESIGN, section 7), held by reading the code and by running the doors."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from support import ROOT, run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CORE = ROOT / "reason_cli"
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
SOURCES = sorted([*CORE.rglob("*.py"), *(p for folder in PLUGINS for p in folder.rglob("*.py"))])
ids = [str(path.relative_to(ROOT)) for path in SOURCES]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def runtime_nodes(node: ast.AST, *, functions: bool) -> Iterator[ast.AST]:
    """Every node that runs; `if TYPE_CHECKING` is left out, bodies of functions on request."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        children: list[ast.AST] = list(node.orelse)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and not functions:
        children = []
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from runtime_nodes(child, functions=functions)


@cache
def imports(path: Path, *, functions: bool = True) -> tuple[str, ...]:
    """Dotted names that a file imports: `from a import b` gives `a.b`."""
    return tuple(name for node in runtime_nodes(tree_of(path), functions=functions) for name in imported_by(node, path))


def imported_by(node: ast.AST, path: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = ".".join([*_package(path, node.level), *filter(None, [node.module])])
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        yield from filter(None, map(literal_start, node.args[:1]))


def _package(path: Path, level: int) -> list[str]:
    """The package that a relative import of this level starts from; nothing for an absolute one."""
    if not level:
        return []
    own = module_name(path).split(".")
    return own[: len(own) - level + (path.name == "__init__.py")]


def packages(path: Path, *, functions: bool = True) -> set[str]:
    return {name.partition(".")[0] for name in imports(path, functions=functions)}


# --- 1. what the doors import ------------------------------------------------------------------------------------

LIGHT = [["--help"], ["--version"], ["plugins"], ["plugins", "--json"], ["train", "--help"], ["eval", "--help"],
         ["compare", "--help"], ["profiles"], ["profiles", "fast"], ["fly"]]  # fmt: skip
HEAVY = {"torch", "transformers", "matplotlib", "datasets", "numba", "tokenizers", "reasoning_gym"}


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_rule_1_help_and_lists_import_nothing_heavy(arguments):
    code = (
        "import sys\nfrom reason_cli.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "print('\\nLOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "click" in loaded and not loaded & HEAVY


def test_the_public_api_imports_nothing_heavy():
    code = "import sys, reason_cli, reason_cli.testing; print(*sorted(n.partition('.')[0] for n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & (HEAVY | {"click", "rich"})


# --- 2. who may know click, pluggy and the terminal --------------------------------------------------------------


def is_command(path: Path) -> bool:
    """Whether a file is one of the command line's, or a plugin's command."""
    return path.is_relative_to(CORE / "cli") or (not path.is_relative_to(CORE) and path.name.startswith("command"))


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_rule_2_click_rich_and_pluggy_stay_in_their_rooms(path):
    found = packages(path)
    if not is_command(path) and path != CORE / "__main__.py":
        assert not found & {"click", "rich"}
    if path.name not in ("hookspecs.py", "plugins.py") or path.parent != CORE:
        assert "pluggy" not in found


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_rule_2_nobody_prints(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "input", "breakpoint"), f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and not is_command(path):
            assert ast.unparse(node) not in ("sys.stdout", "sys.stderr"), f"line {node.lineno}"


# --- 3. who may know whom ----------------------------------------------------------------------------------------

ROOMS = {
    "errors": set(),
    "api": {"errors"},
    "calculator": set(),
    "loss": set(),
    "quiet": set(),
    "hookspecs": {"api"},
    "toml": {"errors"},
    "profiles": {"toml", "errors"},
    "config": {"api", "errors"},
    "runs": {"toml", "errors"},
    "plugins": {"hookspecs", "api", "errors"},
    "testing": {"api", "plugins", "errors"},
    "engine": {"api", "calculator", "config", "runs", "errors", "quiet"},
    "cli": {"api", "config", "profiles", "runs", "plugins", "hookspecs", "engine", "errors"},
    "__init__": {"api", "calculator", "errors", "hookspecs", "loss", "quiet"},
    "__main__": {"cli"},
}
# A fake model needs a tokenizer: inside a function, so that importing `testing` stays light.
LATE = {"testing": {"engine"}, "__init__": {"engine"}}
SHARED = {"__version__"}  # of the package itself


def rooms_of(names: Iterator[str]) -> set[str]:
    parts = (name.split(".")[1] for name in names if name.startswith("reason_cli."))
    return {part for part in parts if part not in SHARED}


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda p: str(p.relative_to(CORE)))
def test_rule_3_the_rooms_know_only_those_below_them(path):
    room = path.relative_to(CORE).parts[0].removesuffix(".py")
    assert room in ROOMS, "a new room: say in DESIGN and here whom it may know"
    assert rooms_of(imports(path, functions=False)) <= ROOMS[room] | {room}
    assert rooms_of(imports(path)) <= ROOMS[room] | {room} | LATE.get(room, set())


def module_name(path: Path) -> str:
    base = CORE.parent if path.is_relative_to(CORE) else next(f for f in PLUGINS if path.is_relative_to(f))
    return ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


def test_rule_3_there_is_no_circle():
    modules = {module_name(path): path for path in SOURCES}
    edges = {
        name: {
            target
            for imported in imports(path, functions=False)
            for target in [imported if imported in modules else imported.rpartition(".")[0]]
            if target in modules and target != name
        }
        for name, path in modules.items()
    }
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"a circle: {' -> '.join((*above[above.index(name) :], name))}"
        if name not in done:
            for target in sorted(edges[name]):
                visit(target, (*above, name))
            done.add(name)

    for name in sorted(modules):
        visit(name, ())


# --- 4. what a plugin may import ---------------------------------------------------------------------------------


def declared(folder: Path) -> set[str]:
    """Import names of what a plugin's pyproject declares."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project.get("dependencies", []), *chain(*project.get("optional-dependencies", {}).values())]
    return {re.split(r"[\s<>=!~;\[]", item, maxsplit=1)[0].replace("-", "_") for item in wanted}


@pytest.mark.parametrize("path", [p for p in SOURCES if not p.is_relative_to(CORE)], ids=lambda p: p.stem)
def test_rule_4_plugins_import_the_public_api_their_own_and_what_they_declare(path):
    import reason_cli

    folder = next(f for f in PLUGINS if path.is_relative_to(f))
    own = path.relative_to(folder).parts[0]
    known = declared(folder) | {own}
    for name in imports(path):
        package, _, rest = name.partition(".")
        if package == "reason_cli":
            assert rest in reason_cli.__all__, f"{name} is not public"
        assert package in known or package in sys.stdlib_module_names or package == "__future__", f"{name} undeclared"


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda f: f.name)
def test_rule_5_a_plugin_declares_no_more_than_it_uses_and_its_package_is_light(folder):
    package = folder.name.replace("-", "_")
    used = {name for path in folder.rglob("*.py") for name in packages(path)}
    assert declared(folder) <= used | {"reason_cli"}, "declared and never imported"
    assert not packages(folder / package / "__init__.py", functions=False) & HEAVY


# --- 6. errors, and what is not done at all ----------------------------------------------------------------------


def literal_start(node: ast.expr) -> str:
    """The text that a string or f-string begins with; empty when it begins with a value."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0] if node.values else node
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_rule_6_errors_begin_small_and_end_without_a_full_stop(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ReasonError") and node.args:
            start = literal_start(node.args[0])
            word = re.match(r"[A-Za-z']+", start)
            assert not word or not word[0].istitle() or word[0].isupper(), f"line {node.lineno}: {start}"
            for text in node.args[:2]:
                assert not ast.unparse(text).rstrip("'\")").endswith("."), f"line {node.lineno}: a full stop"


UNSAFE = {"pickle", "dill", "marshal", "shelve", "cloudpickle", "joblib"}


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_nothing_is_evaluated_or_unpickled(path):
    assert not packages(path) & UNSAFE
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("eval", "exec", "compile", "__import__", "os.system", "torch.load"), (
                f"line {node.lineno}"
            )
            assert not any(k.arg == "shell" for k in node.keywords), f"line {node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_every_file_says_what_it_is_and_has_a_name_that_does(path):
    assert ast.get_docstring(tree_of(path)), "no docstring"
    assert path.stem not in ("utils", "util", "helpers", "helper", "common", "misc")


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_product_code_never_asks_whether_it_is_under_test(path):
    assert (
        not re.search(r"pytest|PYTEST|unittest|under_test", path.read_text(encoding="utf-8"))
        or path.name == "testing.py"
    )


def test_nothing_public_is_without_a_docstring():
    import reason_cli

    for name in reason_cli.__all__:
        assert name.startswith("__") or name == "hookimpl" or getattr(reason_cli, name).__doc__, name


# --- what stands twice -------------------------------------------------------------------------------------------


def test_the_first_lines_of_help_are_the_commands_own():
    import importlib

    from reason_cli.cli.main import BUILTIN

    files = {path.stem for path in (CORE / "cli").glob("*.py")}
    for name, line in BUILTIN.items():
        command = getattr(importlib.import_module(f"reason_cli.cli.{name}"), f"{name}_command")
        assert name in files and command.name == name
        assert command.callback.__doc__.strip().splitlines()[0] == line
        assert command.get_short_help_str(limit=200) == line


def test_the_distribution_is_the_union_of_the_plugins():
    """Entry points, packages and dependencies of the root are those of the plugins together."""
    read = lambda path: tomllib.loads(path.read_text(encoding="utf-8"))  # noqa: E731
    root = read(ROOT / "pyproject.toml")
    wheel = root["tool"]["hatch"]["build"]["targets"]["wheel"]
    points, built = {}, ["reason_cli"]
    for folder in PLUGINS:
        own = read(folder / "pyproject.toml")
        points |= own["project"]["entry-points"]["reason_cli"]
        names = own["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        built += [f"plugins/{folder.name}/{name}" for name in names]
        assert (folder / "README.md").is_file(), f"{folder.name} has no README.md"
        assert f"plugins/{folder.name}" in root["tool"]["hatch"]["build"]["dev-mode-dirs"]
        beside = {"reason-cli", *(plugin.name for plugin in PLUGINS)}  # the distribution has them itself
        missing = set(own["project"]["dependencies"]) - set(root["project"]["dependencies"]) - beside
        assert not missing, f"{folder.name} needs what the root does not install: {missing}"
        assert own["project"]["version"] == root["project"]["version"]
        assert own["project"]["requires-python"] == root["project"]["requires-python"]
    assert root["project"]["entry-points"]["reason_cli"] == points
    assert sorted(wheel["packages"]) == sorted(built)


def test_the_version_is_the_same_everywhere():
    from importlib import metadata

    import reason_cli

    assert metadata.version("reason-cli") == reason_cli.__version__
    assert run("--version").out == f"reason {reason_cli.__version__}\n"
