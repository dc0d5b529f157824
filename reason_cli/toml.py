"""Reading TOML, with errors that a person can act on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from reason_cli.errors import ReasonError


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's tables. Raises `ReasonError` that names file and line."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReasonError(f"{path} is not TOML: {error}", "mend the file") from None
    except OSError as error:
        raise ReasonError(f"cannot read {path}: {error.strerror}") from None
