"""`callback-service demo`: see it at work, and that nothing is lost."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode
from callback_service.entrypoints.cli.output import AsJson
from callback_service.entrypoints.cli.service_client import (
    DEFAULT_URL,
    Data,
    OptionalUrl,
    ServiceClient,
    Token,
    connect,
    path_of,
)

if TYPE_CHECKING:
    from callback_service.entrypoints.cli.demo.performance import Plan
    from callback_service.entrypoints.cli.demo.tally import Outcome

_GRACE = 60.0
_SECONDS_PER_TASK = 0.1


def demo(
    *,
    tasks: Annotated[int, typer.Option(min=1, max=10_000, help="How many tasks run.")] = 100,
    own: Annotated[
        bool, typer.Option("--own", help="Start a service of its own, whatever is there.")
    ] = False,
    address: Annotated[
        str, typer.Option(help="Where this machine receives; the service must reach it there.")
    ] = "127.0.0.1",
    deadline: Annotated[
        float | None,
        typer.Option(
            min=1,
            metavar="SECONDS",
            help="When to give up.",
            show_default="60, and 0.1 for each task",
        ),
    ] = None,
    url: OptionalUrl = None,
    token: Token = None,
    data: Data = Path("callback-data"),
    as_json: AsJson = False,
) -> None:
    """Let a simulated TES server run tasks whose updates two runs are told.

    Without --url it takes the service of this machine, or starts one in a temporary folder for as
    long as it lasts. It succeeds if each run was told everything, in order, signed.

    Example: callback-service demo --tasks 100
    """
    # Whoever ends it otherwise than by Ctrl-C wants the same: nothing is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from callback_service.entrypoints.cli.demo.performance import Plan
    from callback_service.entrypoints.cli.demo.screen import print_outcome

    plan = Plan(tasks, address, deadline or _GRACE + _SECONDS_PER_TASK * tasks)
    with _service(url, token, data, own=own) as service:
        outcome = _play(service, plan, quiet=as_json)
        if as_json:
            output.print_json(outcome.as_json())
        else:
            print_outcome(outcome)
    if not outcome.is_good:
        raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _service(
    url: str | None, token: str | None, data: Path, *, own: bool
) -> Iterator[ServiceClient]:
    """The service that is named, else the one of this machine, else one of our own."""
    from callback_service.entrypoints.cli.demo.own_service import own_service

    there = None if own else _running(url, token, data)
    if there:
        typer.echo(f"The service at {there.url} takes part.", err=True)
        yield there
        return
    typer.echo("Starting a service in a temporary folder…", err=True)
    with own_service() as service:
        typer.echo(f"It is ready at {service.url}.", err=True)
        try:
            yield service
        finally:
            typer.echo("Stopping it…", err=True)


def _running(url: str | None, token: str | None, data: Path) -> ServiceClient | None:
    service = connect(url or DEFAULT_URL, token, data)
    try:
        service.get(path_of("runs"), {"page_size": 1})
    except CommandFailed:
        # One that was named is meant, be it away.
        if url:
            raise
        return None
    return service


def _play(service: ServiceClient, plan: "Plan", *, quiet: bool) -> "Outcome":
    import asyncio

    from callback_service.entrypoints.cli.demo.performance import Performance
    from callback_service.entrypoints.cli.demo.screen import drawing

    with drawing(quiet=quiet) as draw:
        return asyncio.run(Performance(service, plan).play(draw))
