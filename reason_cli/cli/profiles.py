"""`reason profiles`: the profiles that can be named, or one of them whole."""

from __future__ import annotations

import click

from reason_cli import profiles
from reason_cli.errors import ReasonError


@click.command("profiles")
@click.argument("name", required=False)
def profiles_command(name: str | None) -> None:
    """List profiles, or show one: what it extends and what it sets."""
    from reason_cli.cli.display import out, table

    if name is None:
        rows = [(known, label, _described(known)) for known, (label, _) in profiles.available().items()]
        out.print(table("profile", "from", "what it is for", rows=rows))
        return
    profile = profiles.find(name)
    out.print(f"# {profile.path}", style="dim")
    out.print(profile.path.read_text(encoding="utf-8").rstrip(), markup=False)


def _described(name: str) -> str:
    """A profile's description; of a broken file what is wrong with it, so that the others are still listed."""
    try:
        return profiles.find(name).description
    except ReasonError as error:
        return f"FAILED: {error.message}"
