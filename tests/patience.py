"""For texts made to hurt: what takes ever longer than its length explains."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

# Of a megabyte, far from both sides: what is meant takes half a second, a careless pattern many minutes. No speed.
MOST = 10
SHORT = 2  # of texts so short that a careless pattern, too, ends in seconds


@contextmanager
def bounded(most: float = MOST) -> Iterator[None]:
    """The time of this thread alone: what else runs on the machine does not count."""
    begun = time.thread_time()
    yield
    assert time.thread_time() - begun < most
