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
        answers = wiring.prepare(wiring.load())
    except Unavailable as error:
        sentence = f"The database that MONGO_URI names does not answer: {error.__cause__ or error}"
        raise CommandFailed(sentence.partition(" (configured")[0], ExitCode.UNAVAILABLE) from error
    for name, answer in answers.items():
        typer.echo(f"{name}: {answer}")
