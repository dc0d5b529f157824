"""For texts made to hurt: what takes ever longer than its length explains."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

# Far from both sides: what is meant takes half a second at most, a careless pattern many minutes. No measure of speed.
MOST = 10


@contextmanager
def bounded() -> Iterator[None]:
    """The time of this thread alone: what else runs on the machine does not count."""
    begun = time.thread_time()
    yield
    assert time.thread_time() - begun < MOST
