"""`callback-service init`: indexes."""

import typer

from callback_service.domain.errors import Unavailable
from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode


def init() -> None:
    """Create the database's indexes, and say whether database and broker answer.

    Not needed: the service does so by itself when it first reaches the database.

    Example: callback-service init
    """
    from callback_service import wiring

    try:
        answers = wiring.prepare(configured := wiring.load())
    except Unavailable as error:
        raise CommandFailed(
            f"The database at {wiring.database_address(configured)} cannot be used "
            f"({error.cause or error}): MONGO_URI, or db.host in the configuration, says where "
            "it is.",
            ExitCode.UNAVAILABLE,
        ) from error
    for name, answer in answers.items():
        typer.echo(f"{name}: {answer}")
