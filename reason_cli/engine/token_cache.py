"""Token ids on disk, under the hash of what they were made from; whole or not there, the oldest given up first."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.engine.user_cache import user_cache

if TYPE_CHECKING:
    import numpy as np

MOST_BYTES = 8 * 2**30  # all that is kept; what was used longest ago goes first
FACTS = "facts.json"


@dataclass(frozen=True)
class Found:
    """What was stored under a key: the facts, and arrays mapped from disk; what is written to them stays in memory."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class TokenCache:
    """A folder with one folder per key. With `folder` None nothing is kept and nothing found."""

    folder: Path | None

    @classmethod
    def of_user(cls) -> TokenCache:
        """The cache in the user's cache folder."""
        return cls(user_cache("tokens"))

    def find(self, key: str) -> Found | None:
        """What is stored under `key`, or `None`. An entry that cannot be read counts as none."""
        import numpy as np

        if self.folder is None or not (self.folder / key / FACTS).is_file():
            return None
        path = self.folder / key
        try:
            facts = json.loads((path / FACTS).read_text(encoding="utf-8"))
            arrays = {file.stem: np.load(file, mmap_mode="c") for file in sorted(path.glob("*.npy"))}
            os.utime(path)
        except (OSError, ValueError):
            return None
        return Found(path, arrays, facts)

    def store(self, key: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Keep arrays and facts. They appear at once and whole; a disk that is full only means nothing is kept."""
        import numpy as np

        if self.folder is None or sum(array.nbytes for array in arrays.values()) > MOST_BYTES:
            return
        partial = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix="partial-", dir=self.folder))
            for name, array in arrays.items():
                np.save(partial / f"{name}.npy", array, allow_pickle=False)
            (partial / FACTS).write_text(json.dumps(facts), encoding="utf-8")
            partial.rename(self.folder / key)
            self._give_up_oldest()
        except OSError:
            if partial is not None:
                shutil.rmtree(partial, ignore_errors=True)

    def _give_up_oldest(self) -> None:
        assert self.folder is not None
        entries = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        kept = 0
        for path in entries:
            kept += sum(file.stat().st_size for file in path.glob("*"))
            if kept > MOST_BYTES:
                shutil.rmtree(path, ignore_errors=True)
