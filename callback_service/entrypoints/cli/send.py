"""`callback-service send`: one callback, as a TES server would send it."""

from typing import Annotated

import typer

from callback_service.domain.states import State
from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode
from callback_service.entrypoints.cli.output import AsJson
from callback_service.entrypoints.cli.service_client import Refused, exchange, new_session

_STATES = ", ".join(State)


def send(
    callback_url: Annotated[str, typer.Argument(help="The run's, as it was registered.")],
    task_id: Annotated[str, typer.Argument(help="The task, as its TES server calls it.")],
    state: Annotated[str, typer.Argument(metavar="STATE", help=f"Its new state: {_STATES}.")],
    as_json: AsJson = False,
) -> None:
    """Tell the service of a state, as a TES server would.

    Once this ends with exit code 0, the state is stored.

    Example: callback-service send "$CALLBACK_URL" job-0012345 RUNNING
    """
    callback = {"id": task_id, "state": _state(state)}
    try:
        exchange(new_session(callback_url), "POST", callback_url, json=callback)
    except Refused as error:
        if error.status == 404:
            raise CommandFailed("The service does not know this callback URL.") from error
        raise
    if as_json:
        output.print_json(callback)
        return
    typer.echo(f"Stored: {output.plain(task_id)} is {callback['state']}.")


def _state(name: str) -> str:
    try:
        return State(name.upper()).value
    except ValueError as error:
        sentence = f"“{output.plain(name)}” is no state; it is one of {_STATES}."
        raise CommandFailed(sentence, ExitCode.WRONG_USE) from error
