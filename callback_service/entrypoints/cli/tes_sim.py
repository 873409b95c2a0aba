"""`callback-service tes-sim`: a TES server to try things with, where there is none."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode
from callback_service.tes_sim.script import DEFAULT_TEXT

if TYPE_CHECKING:
    from callback_service.tes_sim.core import SimulatedServer
    from callback_service.tes_sim.profiles import Profile
    from callback_service.tes_sim.script import Script
    from callback_service.tes_sim.shell import Note

_PROFILES = "funnel, tesk, pr176 (calls back) or strict"


def tes_sim(
    *,
    profile: Annotated[str, typer.Option(help=f"Whose habits: {_PROFILES}.")] = "funnel",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = 8000,
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 for all networks.")
    ] = "127.0.0.1",
    script: Annotated[
        str, typer.Option(metavar="STATES", help="What becomes of tasks, and after which seconds.")
    ] = DEFAULT_TEXT,
    speed: Annotated[
        float, typer.Option(min=0.001, help="How many times as fast scripts run.")
    ] = 1.0,
    finished: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Tasks that have ended already.")
    ] = 0,
    still_open: Annotated[
        int, typer.Option("--open", min=0, max=1_000_000, help="Tasks that run for ever.")
    ] = 0,
    callbacks: Annotated[
        bool, typer.Option("--callbacks", help="Take callback_url, whatever the profile.")
    ] = False,
    drop_callbacks: Annotated[
        float, typer.Option(min=0, max=1, help="The share of callbacks that get lost.")
    ] = 0.0,
    preempted: Annotated[
        float, typer.Option(min=0, max=1, help="The share of tasks that are preempted.")
    ] = 0.0,
    no_filters: Annotated[
        bool, typer.Option("--no-filters", help="Ignore what lists are filtered by.")
    ] = False,
    execute: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="For tests: run tasks' commands on this machine, as you and without a "
            "container, with a folder for each task in FOLDER.",
        ),
    ] = None,
    basic: Annotated[
        str | None, typer.Option(metavar="USER:PASSWORD", help="What requests have to show.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="What requests have to show as a bearer.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same one brings the same chances, and the same ids.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print a line for each request.")
    ] = False,
) -> None:
    """Play a TES server whose tasks only change their states, unless --execute runs them.

    A task may bring its own script as the tag tes-sim: "QUEUED 0.1, RUNNING 2, EXECUTOR_ERROR". A
    command such as sleep 5 runs that long; false fails. Under /_sim/ it shows what it was asked
    (requests), how tasks really are (tasks), and takes faults (POST faults). Ctrl-C ends it.

    Example: callback-service tes-sim --profile funnel --port 8000
    """
    import asyncio
    from random import Random

    from callback_service.embedded.ports import is_loopback
    from callback_service.tes_sim.conditions import Conditions
    from callback_service.tes_sim.core import SimulatedServer
    from callback_service.tes_sim.credentials import Credentials
    from callback_service.tes_sim.faults import Faults

    if basic is not None and ":" not in basic:
        raise CommandFailed("--basic wants USER:PASSWORD.", ExitCode.WRONG_USE)
    if execute is not None and not is_loopback(host):
        sentence = "--execute runs whatever anybody submits: only with --host 127.0.0.1."
        raise CommandFailed(sentence, ExitCode.WRONG_USE)
    now = datetime.now(UTC)
    core = SimulatedServer(
        _profile(profile, callbacks=callbacks),
        # Without a seed no task has an id of the last start: whoever asks may remember that one.
        Random(seed),  # noqa: S311  it plays, it protects nothing
        Conditions(_script(script), speed, Credentials(basic, token), execute is not None),
    )
    core.make(finished, still_open, now)
    core.set_faults(Faults(drop_callbacks, preempted, no_filters), now)
    if execute is not None:
        typer.echo(f"Tasks' commands run on this machine, as you, in {execute}.", err=True)
    asyncio.run(_serve(core, host, port, execute, verbose=verbose))
    typer.echo("Stopped.", err=True)


def _profile(name: str, *, callbacks: bool) -> "Profile":
    from dataclasses import replace

    from callback_service.tes_sim.profiles import PROFILES

    if name not in PROFILES:
        sentence = f"There is no profile {name!r}; there are {', '.join(PROFILES)}."
        raise CommandFailed(sentence, ExitCode.WRONG_USE)
    profile = PROFILES[name]
    return replace(profile, calls_back=True) if callbacks else profile


def _script(text: str) -> "Script":
    from callback_service.tes_sim.script import Script

    try:
        return Script.parse(text)
    except ValueError as error:
        raise CommandFailed(f"--script: {error}.", ExitCode.WRONG_USE) from None


async def _serve(
    core: "SimulatedServer", host: str, port: int, execute: Path | None, *, verbose: bool
) -> None:
    import asyncio
    import signal

    from callback_service.embedded.ports import reachable, url_of
    from callback_service.tes_sim.shell import Shell, unnoted

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    note: Note = typer.echo if verbose else unnoted
    shell = Shell(core, note, execute)
    try:
        bound = await shell.start(host, port)
        url = url_of(reachable(host), bound)
        typer.echo(f"TES server ({core.profile.name}) at {url} until Ctrl-C.")
        await ended.wait()
    except OSError as error:
        sentence = f"Nothing can listen on {host} port {port}: is the port taken?"
        raise CommandFailed(sentence, ExitCode.WRONG_USE) from error
    finally:
        await shell.stop()
