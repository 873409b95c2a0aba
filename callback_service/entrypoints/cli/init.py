"""`callback-service init`: indexes."""

import typer


def init() -> None:
    """Create the database's indexes, and say whether database and broker answer.

    Not needed: the service does so by itself when it first reaches the database.

    Example: callback-service init
    """
    from callback_service import wiring

    for name, answer in wiring.prepare(wiring.load()).items():
        typer.echo(f"{name}: {answer}")
