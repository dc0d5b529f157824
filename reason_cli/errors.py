"""The one error that is meant for people. It knows nothing of where it is shown."""


class ReasonError(Exception):
    """Something a person caused and can mend.

    `message` is lower case and names the thing; `hint` names the next step.
    The command line turns it into one line, `error: message; hint`, and exit code 1,
    or 2 when `usage` is true (a wrong name, key or flag rather than a failed run).
    """

    def __init__(self, message: str, hint: str = "", *, usage: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.usage = usage

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


def did_you_mean(name: str, known: object) -> str:
    """`did you mean 'mamba'? ` when something known looks like `name`, else the empty string."""
    import difflib

    close = difflib.get_close_matches(name, [str(k) for k in known], n=1, cutoff=0.6)  # type: ignore[attr-defined]
    return f"did you mean '{close[0]}'? " if close else ""


def first_line(error: Exception) -> str:
    """The first line of what a library says of an error; the error's kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
