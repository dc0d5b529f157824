"""A model's own code beside its weights, for `from_pretrained(..., trust_remote_code=True)` without this project.

transformers copies the modules of a folder that import one another as `from .NAME import ...`, so a package's modules
are written flat: `reason_mamba.scan.engines` as `reason_mamba_scan_engines.py`. What goes along is found by following
imports from the classes of the model and its config: all modules of packages named `reason_...`, and of the package
that has the class. Only import statements are changed. What is left out has `left_out.py` in its place.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli import ReasonError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OURS = "reason_"
API = "reason_cli"  # what models use of it, and where that is defined: the rest of the core stays here
DEFINED = {"ReasonError": "reason_cli.errors", "linear_cross_entropy": "reason_cli.loss"}
LEFT_OUT = ("reason_mamba.scan.cpu_engine", "reason_mamba.scan.cpu_step", "reason_mamba.scan.cuda_engine")
REGISTRATIONS = ("AutoConfig.register", "AutoModelForCausalLM.register")  # `auto_map` says it, twice is an error


def auto_map(model: PreTrainedModel, folder: Path) -> dict[str, str]:
    """Write the code of a model into a folder, and say of `config.json` where it is; nothing for transformers' own.

    Raises `ReasonError` for code that cannot go along.
    """
    own, config = type(model), type(model.config)
    if config.__module__.startswith("transformers."):
        return {}
    for name, text in sources([config.__module__, own.__module__]).items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return {
        "AutoConfig": f"{flat(config.__module__)}.{config.__name__}",
        "AutoModelForCausalLM": f"{flat(own.__module__)}.{own.__name__}",
    }


def flat(module: str) -> str:
    """The name of a module in the folder."""
    return module.replace(".", "_")


def sources(begun: list[str]) -> dict[str, str]:
    """The text of these modules and of all that they import of ours, by their names in the folder."""
    packages = {module.partition(".")[0] for module in begun}
    waiting = list(begun)
    found: dict[str, str] = {}
    origin: dict[str, str] = {}
    while waiting:
        module = waiting.pop()
        if module in origin.values():
            continue
        if flat(module) in origin:
            raise ReasonError(f"{module} and {origin[flat(module)]} are one name in a folder", "rename one of them")
        origin[flat(module)] = module
        text, imported = rewritten(module, packages)
        found[flat(module)] = text
        waiting += imported
    return found


@dataclass(frozen=True)
class Edit:
    """Lines of a source, counted from 1, both included, and what stands there instead."""

    first: int
    last: int
    text: str


def rewritten(module: str, packages: set[str]) -> tuple[str, list[str]]:
    """The source of a module as it stands in the folder, and the modules of ours that it imports."""
    if module in LEFT_OUT:
        return source_of("reason_hf.left_out"), []
    source = source_of(module)
    lines, imported = source.splitlines(), []
    edits = []
    for node in changed(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom):
            edits.append(Edit(node.lineno, node.end_lineno or node.lineno, ""))
        elif is_ours(base_of(module, node), packages):
            text, modules = statement(base_of(module, node), node)
            imported += modules
            edits.append(Edit(node.lineno, node.end_lineno or node.lineno, text))
    for edit in sorted(edits, key=lambda edit: edit.first, reverse=True):
        lines[edit.first - 1 : edit.last] = edit.text.splitlines()
    return f"# From {module}, its imports made relative.\n" + "\n".join(lines).rstrip() + "\n", imported


def changed(tree: ast.Module) -> Iterator[Any]:
    """The statements of a module that may not stay as they are: imports, what is for type checkers, registrations.

    Raises `ReasonError` for an import that has no form in a folder.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ImportFrom) or dropped(node):
            yield node
        else:
            if isinstance(node, ast.Import) and any(alias.name.startswith(OURS) for alias in node.names):
                raise ReasonError(f"`{ast.unparse(node)}` in a model's code cannot go along", "write `from ... import`")
            waiting += ast.iter_child_nodes(node)


def dropped(node: ast.AST) -> bool:
    """Whether a statement is left out."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING") and not node.orelse
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func) in REGISTRATIONS


def statement(base: str, node: ast.ImportFrom) -> tuple[str, list[str]]:
    """`from base import ...` for the folder, and the modules that it imports from."""
    indent, texts, modules = " " * node.col_offset, [], []
    for alias in node.names:
        bound = f" as {alias.asname}" if alias.asname else ""
        inner = f"{base}.{alias.name}"
        if base != API and is_module(base) and is_module(inner):
            # transformers finds the file by the first of these lines alone, and the second gives it its name
            texts.append(f"from .{flat(inner)} import __name__ as _")
            texts.append(f"from . import {flat(inner)} as {alias.asname or alias.name}")
            modules.append(inner)
            continue
        home = DEFINED.get(alias.name) if base == API else base
        if home is None or alias.name == "*":
            raise ReasonError(f"a model's code that imports {alias.name} from {base} cannot go along", "import less")
        texts.append(f"from .{flat(home)} import {alias.name}{bound}")
        modules.append(home)
    return "\n".join(indent + text for text in texts), modules


def base_of(module: str, node: ast.ImportFrom) -> str:
    """The full name of what a statement imports from."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    package = parts if spec_of(module).submodule_search_locations is not None else parts[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *filter(None, [node.module])])


def is_ours(name: str, packages: set[str]) -> bool:
    """Whether a module goes along."""
    package = name.partition(".")[0]
    return package in packages or package.startswith(OURS)


def is_module(name: str) -> bool:
    """Whether there is such a module."""
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def spec_of(module: str) -> Any:
    """Where a module is. Raises `ReasonError` for one that has no source."""
    spec = importlib.import_module(module).__spec__
    if spec is None or not hasattr(spec.loader, "get_source"):
        raise ReasonError(f"the code of {module} is not there as source", "install its package from source")
    return spec


def source_of(module: str) -> str:
    """The text of a module."""
    text = spec_of(module).loader.get_source(module)
    if text is None:
        raise ReasonError(f"the code of {module} is not there as source", "install its package from source")
    return str(text)
