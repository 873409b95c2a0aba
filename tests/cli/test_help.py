"""Every command can be found and understood without a manual."""

import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import callback_service
from callback_service.domain.states import State
from callback_service.entrypoints.cli import build


def walk(command: Any, *names: str) -> dict[tuple[str, ...], Any]:
    found = {names: command}
    for name, child in getattr(command, "commands", {}).items():
        found |= walk(child, *names, name)
    return found


COMMANDS = walk(get_command(build()))
SINGLE = {names: command for names, command in COMMANDS.items() if not hasattr(command, "commands")}


def help_of(*names: str, width: int = 200) -> str:
    result = CliRunner().invoke(build(), [*names, "--help"], env={"COLUMNS": str(width)})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_command_explains_itself_at_every_width(names, width):
    lines = help_of(*names, width=width).splitlines()
    assert lines
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("names", SINGLE, ids=" ".join)
def test_every_command_has_a_line_of_help_and_an_example(names):
    command = SINGLE[names]
    first, *_ = command.help.split("\n\n")
    assert len(first) <= 90
    assert first.endswith(".")
    assert f"Example: callback-service {' '.join(names)}" in f"{command.help}\n{command.epilog}"


@pytest.mark.parametrize("names", SINGLE, ids=" ".join)
def test_every_option_is_explained(names):
    unexplained = [
        option.name for option in SINGLE[names].params if not getattr(option, "help", None)
    ]
    assert unexplained == []


def test_the_groups_are_all_there():
    names = {names[0] for names in COMMANDS if names}
    assert names >= {"up", "serve", "worker", "init", "config", "runs", "servers", "send"}
    assert names >= {"listen", "demo"}


@pytest.mark.parametrize("names", [("up",), ("demo",)])
def test_a_sentence_is_broken_where_the_screen_ends_only(names):
    assert all("\n" not in paragraph for paragraph in SINGLE[names].help.split("\n\n")), (
        "a line of the code is not one of the screen"
    )


def test_the_help_documents_the_exit_codes():
    codes = [
        line.split()[0]
        for line in help_of().partition("Exit codes:")[2].splitlines()
        if line.strip()
    ]
    assert codes == ["0", "1", "2", "3", "130"]


def test_the_help_of_send_names_every_state():
    text = " ".join(help_of("send").split())
    assert all(state in text for state in State)


def test_the_version_is_that_of_the_package():
    result = CliRunner().invoke(build(), ["--version"])
    assert result.stdout == f"callback-service {callback_service.__version__}\n"


def test_help_waits_for_no_heavy_library():
    """Imports are what help takes its time for; counted, for clocks depend on the machine."""
    heavy = ["foca", "connexion", "flask", "celery", "pymongo", "requests", "aiohttp"]
    code = (
        "import sys\n"
        "from callback_service.entrypoints.cli import build\n"
        "try: build()(['runs', 'register', '--help'])\n"
        "except SystemExit: pass\n"
        f"print('heavy:', [name for name in {heavy} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "heavy: []"
