"""Profiles: TOML files of settings, found by name or path, built on one another with `extends`.

Names are looked for in `./profiles`, the user's config folder and the package, in this order. A run
directory's `run.toml` is a profile too: its record tables (`[run]`, `[sources]`) are left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reason_cli.errors import ReasonError, did_you_mean
from reason_cli.toml import read_toml

RECORD_TABLES = ("run", "sources")


@dataclass(frozen=True)
class Profile:
    """One profile file. `settings` are its tables, without what it extends."""

    name: str
    path: Path
    description: str
    extends: tuple[str, ...]
    settings: Mapping[str, Any]

    @property
    def source(self) -> str:
        return f"profile {self.name}"


def folders() -> list[tuple[str, Path]]:
    """Where profiles live, first wins: (label, folder)."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    package = Path(__file__).parent
    # An installed wheel carries the profiles inside the package; a checkout has them beside it.
    builtin = next((d for d in (package / "builtin_profiles", package.parent / "profiles") if d.is_dir()), package)
    return [("here", Path("profiles")), ("user", config / "reason" / "profiles"), ("built in", builtin)]


def available() -> dict[str, tuple[str, Path]]:
    """Every profile that has a name: name -> (label of its folder, path)."""
    found: dict[str, tuple[str, Path]] = {}
    for label, folder in folders():
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, (label, path))
    return found


def find(name: str) -> Profile:
    """The profile of a name or path. Raises `ReasonError` with a suggestion when there is none."""
    if name.endswith(".toml") or os.sep in name:
        path = Path(name)
        if not path.is_file():
            raise ReasonError(f"no profile file '{name}'", "`reason profiles` lists those with a name", usage=True)
        return _read(name, path)
    known = available()
    if name not in known:
        raise ReasonError(
            f"unknown profile '{name}'", f"{did_you_mean(name, known)}`reason profiles` lists them", usage=True
        )
    return _read(name, known[name][1])


def _read(name: str, path: Path) -> Profile:
    tables = read_toml(path)
    description = tables.pop("description", "")
    extends = tables.pop("extends", [])
    if isinstance(extends, str):
        extends = [extends]
    if not (isinstance(extends, list) and all(isinstance(e, str) for e in extends)):
        raise ReasonError(f"{path}: extends must be a list of profile names", "mend the file")
    if not isinstance(description, str):
        raise ReasonError(f"{path}: description must be text", "mend the file")
    settings = {table: keys for table, keys in tables.items() if table not in RECORD_TABLES}
    return Profile(name, path, description, tuple(extends), settings)


def chain(names: Iterable[str]) -> list[Profile]:
    """The named profiles with all that they extend, what is extended first. Raises on a circle.

    What one named profile reaches on two ways counts once, where it is reached first.
    """
    found = [{profile.path: profile for profile in _with_bases(name, ())} for name in names]
    return [profile for one in found for profile in one.values()]


def _with_bases(name: str, above: tuple[str, ...]) -> Iterator[Profile]:
    if name in above:
        raise ReasonError(f"profiles extend each other in a circle: {' -> '.join((*above, name))}", "break it")
    profile = find(name)
    for base in profile.extends:
        yield from _with_bases(base, (*above, name))
    yield profile
