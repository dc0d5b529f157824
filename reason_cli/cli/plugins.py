"""`reason plugins`: what is installed, what it provides, and what is wrong with it."""

from __future__ import annotations

import json

import click

from reason_cli.cli.main import board


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def plugins_command(ctx: click.Context, as_json: bool) -> None:
    """List plugins: what each provides, and how it fared.

    REASON_DISABLE_PLUGINS=a,b leaves plugins out by name.
    """
    switchboard = board(ctx)
    if as_json:
        listed = [
            {
                "name": p.name,
                "distribution": p.distribution,
                "version": p.version,
                "status": p.status,
                "provides": p.provides,
            }
            for p in switchboard.plugins
        ]
        click.echo(json.dumps({"plugins": listed, "conflicts": list(switchboard.conflicts())}, indent=2))
        return

    from reason_cli.cli.display import out, table

    rows = [
        (p.name, f"{p.distribution} {p.version}".strip(), p.status, _provided(p.provides)) for p in switchboard.plugins
    ]
    out.print(table("plugin", "from", "status", "provides", rows=rows))
    for conflict in switchboard.conflicts():
        out.print(f"conflict: {conflict}", style="yellow")


def _provided(provides: dict[str, list[str]]) -> str:
    return "\n".join(f"{kind}: {', '.join(names)}" for kind, names in provides.items())
