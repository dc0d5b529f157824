"""Left out of this folder: a faster engine, which needs packages that a reader may lack. It says that it cannot run."""

from typing import Any


def why_not(device: Any) -> str:
    """The reason."""
    return "it is not part of this folder"


def scan(*args: Any, **kwargs: Any) -> Any:
    """Never called: an engine is asked `why_not` first."""
    raise RuntimeError(why_not(None))


conv_silu = scan


class Step:
    """Never made, for the same reason."""

    def __init__(self, *args: Any) -> None:
        raise RuntimeError(why_not(None))
