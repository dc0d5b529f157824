"""How the engine tells what it is doing. It knows no terminal: the command line implements `Reporter`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from reason_cli.engine.processes import is_first

LIBRARIES = ("transformers", "accelerate", "datasets", "huggingface_hub")


class Reporter(Protocol):
    """What long work says while it runs."""

    def say(self, text: str) -> None:
        """One line that a person should see, now and in a log."""

    def warn(self, text: str) -> None:
        """One line about something that went otherwise than asked."""

    def start(self, title: str, total: float | None) -> None:
        """A stretch of work of `total` units begins; None: nobody knows how many."""

    def update(self, done: float, figures: Mapping[str, str]) -> None:
        """So many units are done; `figures` are a few short facts to show beside the bar."""

    def finish(self) -> None:
        """The stretch of work has ended."""


class Silent:
    """A `Reporter` that says nothing."""

    def say(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def start(self, title: str, total: float | None) -> None: ...

    def update(self, done: float, figures: Mapping[str, str]) -> None: ...

    def finish(self) -> None: ...


class Logged:
    """A `Reporter` that passes everything on, and keeps the lines in a log file, the libraries' own among them."""

    def __init__(self, inner: Reporter, path: Path) -> None:
        self.inner = inner
        self.log = logging.getLogger("reason")
        self.log.setLevel(logging.INFO)
        handler = logging.FileHandler(path, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        for name in ("reason", *LIBRARIES):
            logger = logging.getLogger(name)
            logger.handlers = [handler]
            logger.propagate = False
        self.start, self.update, self.finish = inner.start, inner.update, inner.finish

    def say(self, text: str) -> None:
        self.log.info(text)
        self.inner.say(text)

    def warn(self, text: str) -> None:
        self.log.warning(text)
        self.inner.warn(text)


def reporter(inner: Reporter, path: Path) -> Reporter:
    """A `Logged` one; in a process that is not the first of its run one that says nothing, libraries included."""
    if is_first():
        return Logged(inner, path)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    return Silent()


def hush_libraries() -> None:
    """Turn off the libraries' own progress bars and retries' chatter: one bar at a time, one line for what is wrong."""
    # peft imports bitsandbytes, which warns of kernels that it does not need: before either is imported.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    # What transformers 5 calls anew works under both names, and what trl passes is not ours.
    warnings.filterwarnings("ignore", ".*gradient_checkpointing", FutureWarning)
    import datasets
    import huggingface_hub
    import transformers

    huggingface_hub.utils.logging.set_verbosity_error()

    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
