"""How a command fails: with one sentence on stderr and a documented exit code."""

from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from callback_service.domain.errors import ConfigError


class ExitCode(IntEnum):
    """What scripts can tell apart."""

    OK = 0
    FAILED = 1
    WRONG_USE = 2
    UNAVAILABLE = 3
    INTERRUPTED = 130


# Shown below the help.
EXIT_CODES = """\
Exit codes:
  0  it is done; by Ctrl-C, too, where that is how it ends
  1  it failed: something is unknown or refused, updates were lost, a watched task ended badly
  2  wrong use, configuration or token, or something is missing here
  3  the service does not answer or cannot do it now: worth another try
130  interrupted before it was done
"""


class CommandFailed(Exception):
    """Ends a command. The text is one sentence for whoever typed it."""

    def __init__(self, sentence: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(sentence)
        self.code = code


class Commands(TyperGroup):
    """The root of all commands: the one place where a failure is shown."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CommandFailed as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(error.code) from error
        except ConfigError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(ExitCode.WRONG_USE) from error
