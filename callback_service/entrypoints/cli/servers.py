"""`callback-service servers`: the TES servers that the service knows."""

from typing import Annotated

import typer

from callback_service.domain.polling import CallsBack
from callback_service.domain.server import Access
from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode
from callback_service.entrypoints.cli.output import AsJson
from callback_service.entrypoints.cli.service_client import (
    Json,
    ServiceClient,
    path_of,
    with_service,
)
from callback_service.entrypoints.cli.shown_servers import HEADINGS, print_answer, row_of

app = typer.Typer(help="The TES servers that tasks are at.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the server is called here.")]
CallsBackOption = Annotated[
    CallsBack | None, typer.Option(help="Whether it calls back; if unknown, that is found out.")
]
AccessOption = Annotated[
    Access | None,
    typer.Option(
        help="Who may use it through the gateway: who shows a token of this service, whom the "
        "server itself lets in, or everybody."
    ),
]
Credentials = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="With what the service reaches it: a name that the settings have credentials for.",
    ),
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
    output.print_table(HEADINGS, [row_of(server) for server in found["servers"]])


@app.command()
@with_service
def register(
    service: ServiceClient,
    name: Name,
    *,
    tes_url: Annotated[str, typer.Argument(help="Its base URL.")],
    access: AccessOption = None,
    credentials: Credentials = None,
    calls_back: CallsBackOption = None,
    default: Default = None,
    as_json: AsJson = False,
) -> None:
    """Give a TES server a name, and put the gateway in front of it.

    Example: callback-service servers register local http://127.0.0.1:8000 --access open
    """
    named = _named(calls_back, access, credentials, default)
    print_answer(service.post(path_of("servers"), {"name": name, "url": tes_url, **named}), as_json)


@app.command()
@with_service
def show(service: ServiceClient, name: Name, as_json: AsJson = False) -> None:
    """Show a TES server, whether it was found to call back, and how asking it goes.

    Example: callback-service servers show local
    """
    print_answer(service.get(path_of("servers", name)), as_json)


@app.command()
@with_service
def change(
    service: ServiceClient,
    name: Name,
    *,
    tes_url: Annotated[str | None, typer.Option(help="Its new base URL.")] = None,
    access: AccessOption = None,
    credentials: Credentials = None,
    no_credentials: Annotated[
        bool, typer.Option("--no-credentials", help="Reach it with none from now on.")
    ] = False,
    calls_back: CallsBackOption = None,
    default: Default = None,
    as_json: AsJson = False,
) -> None:
    """Change a TES server: what is named changes.

    Example: callback-service servers change local --calls-back yes
    """
    changes: Json = _named(calls_back, access, credentials, default)
    if tes_url:
        changes["url"] = tes_url
    if no_credentials:
        if credentials:
            raise CommandFailed(
                "Name credentials, or --no-credentials; not both.", ExitCode.WRONG_USE
            )
        changes["credentials"] = None
    if not changes:
        raise CommandFailed("Name something to be changed.", ExitCode.WRONG_USE)
    print_answer(service.patch(path_of("servers", name), changes), as_json)


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


def _named(
    calls_back: CallsBack | None,
    access: Access | None,
    credentials: str | None,
    default: bool | None,
) -> Json:
    named = {
        "calls_back": calls_back,
        "access": access,
        "credentials": credentials,
        "default": default,
    }
    return {key: value for key, value in named.items() if value is not None}
