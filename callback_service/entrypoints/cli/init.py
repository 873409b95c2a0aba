"""`callback-service init`: indexes, and the TES server that is meant where none is named."""

from typing import TYPE_CHECKING, Annotated

import typer

from callback_service.domain.errors import InvalidInput, NewerData, Unavailable
from callback_service.domain.server import Access, check_server_url
from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode

if TYPE_CHECKING:
    from callback_service.wiring import Configured


def init(
    *,
    tes: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The TES server that is meant where none is named."),
    ] = None,
    access: Annotated[
        Access, typer.Option(help="Who may use that server through the gateway.")
    ] = Access.TOKEN,
) -> None:
    """Create the database's indexes, and say whether database and broker answer.

    Not needed for that: the service does so by itself when it first reaches the database.
    With --tes, it also registers a TES server as the default one.

    Example: callback-service init --tes http://funnel:8000
    """
    from callback_service import wiring

    configured = wiring.load()
    default = wiring.DefaultServer(tes, access) if tes is not None else None
    try:
        if tes is not None:
            # Before the database is waited for.
            check_server_url(tes)
        answers = wiring.prepare(configured, default)
    except NewerData as error:
        raise CommandFailed(f"{error}.", ExitCode.FAILED) from error
    except Unavailable as error:
        raise _unavailable(configured, error) from error
    except InvalidInput as error:
        raise CommandFailed(f"--tes: {error.reason}.", ExitCode.WRONG_USE) from error
    for name, answer in answers.items():
        typer.echo(f"{name}: {answer}")


def migrate() -> None:
    """Bring everything in the database up to this version of the service.

    Workers do so by themselves. After a rolling upgrade this finds what old processes wrote last.

    Example: callback-service migrate
    """
    from callback_service import wiring

    configured = wiring.load()
    try:
        changed = wiring.migrate(configured)
    except NewerData as error:
        raise CommandFailed(f"{error}.", ExitCode.FAILED) from error
    except Unavailable as error:
        raise _unavailable(configured, error) from error
    for what, count in changed.items():
        typer.echo(f"{what}: {count} changed")


def _unavailable(configured: "Configured", error: Unavailable) -> CommandFailed:
    from callback_service import wiring

    return CommandFailed(
        f"The database at {wiring.database_address(configured)} cannot be used "
        f"({error.cause or error}): MONGO_URI, or db.host in the configuration, says where "
        "it is.",
        ExitCode.UNAVAILABLE,
    )
