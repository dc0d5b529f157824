"""Compiles kernels with numba and keeps the machine code in the user's cache folder, never beside the source."""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def cache_folder() -> Path:
    """Where compiled kernels live: `$NUMBA_CACHE_DIR`, else the platform's cache folder + `reason/numba`.

    The last part of the path is a digest of this package's source, so that no change of a helper can leave
    a kernel compiled from its old form in use.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return _base_folder() / digest.hexdigest()[:16]


def _base_folder() -> Path:
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "reason" / "numba"


def kernel(function: Callable[[int], None]) -> Any:
    """Compile `function(address)` to a C function `void (int64)`; from the cache when it was compiled before."""
    signature = numba.types.void(numba.types.int64)
    config: Any = numba.config
    before = config.CACHE_DIR
    folder = _writable(cache_folder())
    config.CACHE_DIR = str(folder or "")
    try:
        return numba.cfunc(signature, cache=folder is not None, error_model="numpy")(function)
    finally:
        config.CACHE_DIR = before


def _writable(folder: Path) -> Path | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
