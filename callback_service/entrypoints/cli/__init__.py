"""The command line. A module for each group of commands; what runs them is in the rooms below."""

from inspect import getdoc
from typing import Annotated

import typer

from callback_service import __version__
from callback_service.entrypoints.cli.failures import EXIT_CODES, Commands

_SERVICE, _CLIENT, _TRY = "Run the service", "Use the service", "Try it out"


def main() -> None:
    build()(prog_name="callback-service")


def build() -> typer.Typer:
    """All commands. What they need is imported when they run, for `--help` is to be fast."""
    app = typer.Typer(
        cls=Commands,
        epilog=EXIT_CODES,
        no_args_is_help=True,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        # A traceback with the values of variables would show tokens.
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    add_service_commands(app)
    add_client_commands(app)
    _join_lines(app)
    return app


def _join_lines(app: typer.Typer) -> None:
    """Lines end in docstrings where the code does; help has a width of its own."""
    for command in app.registered_commands:
        text = command.help or getdoc(command.callback) or ""
        command.help = "\n\n".join(
            " ".join(paragraph.split("\n")) for paragraph in text.split("\n\n")
        )
    for group in app.registered_groups:
        if group.typer_instance:
            _join_lines(group.typer_instance)


def add_service_commands(app: typer.Typer) -> None:
    from callback_service.entrypoints.cli.config import app as config
    from callback_service.entrypoints.cli.init import init, migrate
    from callback_service.entrypoints.cli.serve import serve
    from callback_service.entrypoints.cli.up import up
    from callback_service.entrypoints.cli.worker import worker

    app.command(rich_help_panel=_SERVICE, epilog="Example: callback-service up --port 8080")(up)
    for command in (serve, worker, init, migrate):
        app.command(rich_help_panel=_SERVICE)(command)
    app.add_typer(config, name="config", rich_help_panel=_SERVICE)


def add_client_commands(app: typer.Typer) -> None:
    from callback_service.entrypoints.cli.demo import demo
    from callback_service.entrypoints.cli.listen import listen
    from callback_service.entrypoints.cli.send import send
    from callback_service.entrypoints.cli.servers import app as servers

    # All of `runs`, and more of it.
    from callback_service.entrypoints.cli.stuck import app as runs
    from callback_service.entrypoints.cli.tes_sim import tes_sim

    app.add_typer(runs, name="runs", rich_help_panel=_CLIENT)
    app.add_typer(servers, name="servers", rich_help_panel=_CLIENT)
    for command in (demo, listen, send, tes_sim):
        app.command(rich_help_panel=_TRY)(command)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"callback-service {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Tells workflow runs what becomes of their TES tasks, so that nobody has to poll.

    To run everything on this machine: callback-service up

    To see it at work: callback-service demo
    """
