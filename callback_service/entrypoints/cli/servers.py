"""`callback-service servers`: the TES servers that the service knows."""

from typing import Annotated

import typer

from callback_service.domain.polling import CallsBack
from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode
from callback_service.entrypoints.cli.output import AsJson
from callback_service.entrypoints.cli.service_client import (
    Json,
    ServiceClient,
    path_of,
    with_service,
)

app = typer.Typer(help="Name the TES servers that tasks are at.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the server is called here.")]
CallsBackOption = Annotated[
    CallsBack | None, typer.Option(help="Whether it calls back; if unknown, that is found out.")
]
Default = Annotated[
    bool | None,
    typer.Option("--default/--no-default", help="Whether it is meant where none is named."),
]


@app.command("list")
@with_service
def list_servers(service: ServiceClient, as_json: AsJson = False) -> None:
    """List the TES servers.

    Example: callback-service servers list
    """
    found = service.get(path_of("servers"))
    if as_json:
        output.print_json(found)
        return
    headings = ("NAME", "TES SERVER", "CALLS BACK", "DEFAULT")
    output.print_table(headings, [_row(server) for server in found["servers"]])


@app.command()
@with_service
def register(
    service: ServiceClient,
    name: Name,
    *,
    tes_url: Annotated[str, typer.Argument(help="Its base URL.")],
    calls_back: CallsBackOption = None,
    default: Default = None,
    as_json: AsJson = False,
) -> None:
    """Give a TES server a name by which runs and tasks refer to it.

    Example: callback-service servers register local http://127.0.0.1:8000 --calls-back no
    """
    wish = {"name": name, "url": tes_url, **_named(calls_back, default)}
    _answer(service.post(path_of("servers"), wish), as_json)


@app.command()
@with_service
def show(service: ServiceClient, name: Name, as_json: AsJson = False) -> None:
    """Show a TES server, and whether it was found to call back.

    Example: callback-service servers show local
    """
    _answer(service.get(path_of("servers", name)), as_json)


@app.command()
@with_service
def change(
    service: ServiceClient,
    name: Name,
    *,
    tes_url: Annotated[str | None, typer.Option(help="Its new base URL.")] = None,
    calls_back: CallsBackOption = None,
    default: Default = None,
    as_json: AsJson = False,
) -> None:
    """Change a TES server: what is named changes.

    Example: callback-service servers change local --calls-back yes
    """
    changes = _named(calls_back, default)
    if tes_url:
        changes["url"] = tes_url
    if not changes:
        raise CommandFailed("Name something to be changed.", ExitCode.WRONG_USE)
    _answer(service.patch(path_of("servers", name), changes), as_json)


@app.command()
@with_service
def delete(service: ServiceClient, name: Name, as_json: AsJson = False) -> None:
    """Forget a TES server; callbacks of its tasks are taken as before.

    Example: callback-service servers delete local
    """
    service.delete(path_of("servers", name))
    if as_json:
        output.print_json({})
        return
    typer.echo(f"Forgot {output.plain(name)}.")


def _named(calls_back: CallsBack | None, default: bool | None) -> Json:
    named = {"calls_back": calls_back, "default": default}
    return {key: value for key, value in named.items() if value is not None}


def _answer(server: Json, as_json: bool) -> None:
    if as_json:
        output.print_json(server)
        return
    output.print_facts(
        {
            "name": server["name"],
            "TES server": server["url"],
            "calls back": server["calls_back"],
            "default": "yes" if server["default"] else "no",
            "gateway": server.get("gateway_url", ""),
            "registered": output.ago(server["created_at"]),
        }
    )


def _row(server: Json) -> tuple[str, ...]:
    default = "yes" if server["default"] else ""
    return server["name"], server["url"], server["calls_back"], default
