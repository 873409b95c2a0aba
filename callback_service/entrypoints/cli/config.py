"""`callback-service config …`."""

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Look at the settings.")


@app.command()
def check(
    file: Annotated[
        str | None, typer.Argument(help="Your settings; by default those of CALLBACK_CONFIG.")
    ] = None,
) -> None:
    """Say whether the settings can be used, and what is wrong with them.

    Example: callback-service config check my-config.yaml
    """
    from callback_service import wiring
    from callback_service.faults import require_file

    if file:
        require_file(Path(file))
        os.environ["CALLBACK_CONFIG"] = file
    wiring.load()
    typer.echo("the settings are valid")


@app.command()
def hash_token(
    token: Annotated[str | None, typer.Argument(help="The token; by default a new one.")] = None,
) -> None:
    """Print a token and the hash that `custom.access.tokens` knows it by.

    Example: callback-service config hash-token
    """
    from callback_service.domain import capability

    token = token or capability.new_api_token()
    typer.echo(f"token: {token}")
    typer.echo(f"hash:  {capability.hash_token(token)}")
