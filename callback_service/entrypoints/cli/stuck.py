"""`callback-service runs stuck` and `runs fail`: what an operator does about dead engines."""

import sys
import time
from typing import Annotated

import typer

from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode
from callback_service.entrypoints.cli.output import AsJson
from callback_service.entrypoints.cli.runs import Limit, PageToken, RunId, app
from callback_service.entrypoints.cli.service_client import (
    Json,
    Refused,
    ServiceClient,
    Unavailable,
    path_of,
    with_service,
)
from callback_service.entrypoints.cli.shown_runs import say_there_is_more

# With these commands, it is all of `runs`.
__all__ = ["app"]

# Seconds in which a worker that is there has done it, and between two looks whether it has.
PATIENCE = 15.0
LOOK_EVERY = 0.25
# How `last_error` begins where it is done.
_MARKED = "marked SYSTEM_ERROR"


@app.command()
@with_service
def stuck(
    service: ServiceClient,
    *,
    quiet_for: Annotated[
        int, typer.Option(min=0, metavar="SECONDS", help="No task has moved for so long.")
    ] = 1800,
    unsure: Annotated[
        bool,
        typer.Option(
            "--unsure", help="Also runs that may just as well have ended: told by other sinks."
        ),
    ] = False,
    limit: Limit = 100,
    page_token: PageToken = None,
    as_json: AsJson = False,
) -> None:
    """List runs of all owners that seem to have lost their engine. Takes an admin's token.

    All of their tasks have ended, but cwl-WES shows them as going on. An engine that collects
    outputs for long looks the same: look at the worker of cwl-WES before you end it by runs fail.

    Example: callback-service runs stuck --quiet-for 7200
    """
    query = {"quiet_for": quiet_for, "unsure": str(unsure).lower()}
    found = service.pages("/v1/runs:stuck", "runs", query, limit, page_token)
    if as_json:
        output.print_json(found)
        return
    headings = ("RUN", "NAME", "OWNER", "WES RUN", "TASKS", "LAST END", "SURE", "WHY")
    output.print_table(headings, [_row(run) for run in found["runs"]])
    say_there_is_more(found, limit)


@app.command()
@with_service
def fail(
    service: ServiceClient,
    run: RunId,
    *,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why, for whoever looks for it later.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Mark a run SYSTEM_ERROR at its WES whose engine has died. Takes an admin's token.

    A run that has ended meanwhile stays as it is. Works for runs told in cwl-WES or by a sink wes.

    Example: callback-service runs fail r0123456789abcdef0123 --reason "worker evicted" --yes
    """
    if not yes:
        _confirm(run)
    asked = service.post(path_of("runs", run, verb="fail"), {"reason": reason} if reason else {})
    done = _wait_for(service, asked)
    if as_json:
        output.print_json(done)
    problem = done.get("last_error", "")
    if done["status"] != "gone" or not problem.startswith(_MARKED):
        raise CommandFailed(f"It was not marked: {output.plain(problem) or 'nobody said why'}.")
    if not as_json:
        typer.echo(f"{output.plain(run)} is {output.plain(problem)}")


def is_terminal() -> bool:
    return sys.stdin.isatty()


def _confirm(run: str) -> None:
    if not is_terminal():
        raise CommandFailed("There is nobody to ask: say --yes.", ExitCode.WRONG_USE)
    question = f"Mark the WES run of {output.plain(run)} as SYSTEM_ERROR?"
    # What it answers with --json is read by a program, though somebody sits before it.
    typer.confirm(question, abort=True, err=True)


def _wait_for(service: ServiceClient, run: Json) -> Json:
    """The run once a worker has dealt with it."""
    deadline = time.monotonic() + PATIENCE
    while run["status"] != "gone" and "failing" in run:
        if time.monotonic() > deadline:
            raise Unavailable(
                "It is asked for and not done yet: no worker runs, or the WES does not answer; "
                f"see runs deliveries {run['id']}."
            )
        time.sleep(LOOK_EVERY)
        run = _look(service, run["id"])
    return run


def _look(service: ServiceClient, run_id: str) -> Json:
    try:
        found: Json = service.get(path_of("runs", run_id))
    except Refused as refusal:
        if refusal.status != 404:
            raise
        raise Unavailable(
            "It is asked for. How it goes only the run's owner can see; "
            "runs stuck does not list it any more when it is done."
        ) from refusal
    return found


def _row(run: Json) -> tuple[str, ...]:
    return (
        run["id"],
        run["name"],
        run["owner"],
        run["sink"].get("wes_run_id", ""),
        str(sum(run["tasks"].values())),
        output.ago(run["last_change_at"]),
        "yes" if run["sure"] else "no",
        run["why"],
    )
