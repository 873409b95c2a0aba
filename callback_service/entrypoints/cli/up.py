"""`callback-service up`: the whole service on this machine, as one command."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from callback_service.embedded.session import Session
from callback_service.embedded.stack import API_GRACE, Options, Surroundings


def up(
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 for all networks.")
    ] = "127.0.0.1",
    # In sight and in place: what a folder's runs leave behind is found, moved and removed with it.
    data: Annotated[
        Path, typer.Option(envvar="CALLBACK_DATA", metavar="DIR", help="Where everything is kept.")
    ] = Path("callback-data"),
    workers: Annotated[int, typer.Option(min=1, help="How many processes deliver.")] = 1,
    tes: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A TES server: clients take this service as their TES URL instead, and it hands "
            "their tasks on. On loopback nobody needs a token for that.",
        ),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Ask nobody for a token; on this machine only.")
    ] = False,
) -> None:
    """Run everything on this machine: database, broker, API and workers.

    MONGO_URI and CELERY_BROKER_URL in the environment name a database and a broker to be used
    instead of the built-in ones.
    """
    grace = api_grace(os.environ)
    options = Options(data, host, port, workers, auth=not no_auth, tes=tes, api_grace=grace)
    raise typer.Exit(Session(options, Surroundings(os.environ), Terminal()).run())


def api_grace(environ: Mapping[str, str]) -> int:
    """Seconds that the API gives to what it was asked. Raises `ConfigError`.

    The settings are read, and checked, only where somebody changed them: it takes a second, and
    those that ship are right.
    """
    ours = ("CALLBACK_", "FOCA_")
    if not any(name.startswith(ours) and name != "CALLBACK_DATA" for name in environ):
        return API_GRACE
    from callback_service import wiring

    return wiring.load().settings.gateway.grace


class Terminal:
    """Lines are never wrapped, so that they can be copied, and plain where nobody looks on."""

    def show(self, lines: Sequence[str]) -> None:
        title, *rest = lines
        out = Console(highlight=False, soft_wrap=True)
        out.print(title, style="bold green", markup=False)
        out.print("\n".join(rest), markup=False)

    def tell(self, line: str) -> None:
        # It may go into a file on a disk that is full: no reason to end.
        with suppress(OSError):
            Console(highlight=False, soft_wrap=True, stderr=True).print(line, markup=False)

    def fail(self, sentence: str) -> None:
        self.tell(f"Error: {sentence}")
