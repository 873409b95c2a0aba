"""`callback-service servers` names the TES servers."""

import json
from datetime import UTC, datetime, timedelta

import pytest

URL = "http://127.0.0.1:8000"


def facts(text):
    """What `servers show` prints, as names and values."""
    return dict(line.split("  ", 1) for line in text.splitlines())


@pytest.fixture
def show(cli):
    def show():
        lines = cli("servers", "show", "local").stdout
        return {name: value.strip() for name, value in facts(lines).items()}

    return show


def test_a_server_is_registered_changed_and_forgotten(cli, service):
    result = cli("servers", "register", "local", URL, "--calls-back", "no")
    assert result.exit_code == 0, result.output
    assert service.requests[-1][2] == {"name": "local", "url": URL, "calls_back": "no"}
    cli("servers", "change", "local", "--default", "--tes-url", "http://127.0.0.1:8001")
    shown = json.loads(cli("servers", "show", "local", "--json").stdout)
    assert shown.items() >= {"url": "http://127.0.0.1:8001", "default": True}.items()
    assert cli("servers", "delete", "local").stdout == "Forgot local.\n"
    assert json.loads(cli("servers", "list", "--json").stdout) == {"servers": []}


def test_access_and_credentials_are_said_and_taken_back(cli, service, show):
    cli("servers", "register", "local", URL, "--access", "pass", "--credentials", "hpc")
    assert service.requests[-1][2] == {
        "name": "local",
        "url": URL,
        "access": "pass",
        "credentials": "hpc",
    }
    assert show().items() >= {"access": "pass", "credentials": "hpc"}.items()
    cli("servers", "change", "local", "--access", "open", "--no-credentials")
    assert service.requests[-1][2] == {"access": "open", "credentials": None}
    assert show().items() >= {"access": "open", "credentials": "none"}.items()
    both = ("--credentials", "hpc", "--no-credentials")
    assert cli("servers", "change", "local", *both).exit_code == 2
    assert cli("servers", "change", "local", "--access", "all").exit_code == 2


def test_servers_are_listed_with_what_is_known_of_them(cli, service):
    cli("servers", "register", "local", URL, "--default")
    cli("servers", "register", "other", URL, "--access", "open", "--calls-back", "yes")
    cli("servers", "register", "third", URL)
    service.polled("other", last_poll_at=datetime.now(UTC).isoformat())
    service.polled("third", failures=1, error="the TES server refused the connection")
    heading, *lines = cli("servers", "list").stdout.splitlines()
    assert heading.split() == [
        *("NAME", "TES", "SERVER", "ACCESS"),
        *("CALLS", "BACK", "STATE"),
        "DEFAULT",
    ]
    assert [line.split() for line in lines] == [
        ["local", URL, "token", "unknown", "not", "asked", "yes"],
        ["other", URL, "open", "yes", "ok"],
        ["third", URL, "token", "unknown", "error"],
    ]


def test_what_clients_take_as_their_url_is_shown(cli, service, show):
    cli("servers", "register", "local", URL)
    assert show()["gateway"] == f"{service.url}/gateway/local"


def test_how_asking_goes_is_shown_in_words(cli, service, show):
    cli("servers", "register", "local", URL)
    assert show().items() >= {"state": "not asked", "requests": "0"}.items()
    now = datetime.now(UTC)
    asked_at = (now - timedelta(minutes=3)).isoformat()
    service.polled("local", last_poll_at=asked_at, requests=42, filters="honoured")
    shown = show()
    assert shown.items() >= {"state": "ok", "last asked": "3 min ago", "requests": "42"}.items()
    assert shown["lists"] == "one short list tells of all open tasks"
    assert "problem" not in shown
    next_at = (now + timedelta(seconds=90)).isoformat()
    error = "the TES server refused the connection"
    service.polled("local", failures=7, error=error, next_poll_at=next_at)
    shown = show()
    assert shown.items() >= {"state": "error", "problem": error, "failures": "7 in a row"}.items()
    assert shown["next try"].startswith("in ")
    service.polled("local", failures=7, error=error, next_poll_at=asked_at)
    assert show()["next try"] == "when there is something to ask"


@pytest.mark.parametrize(
    ("given", "learnt", "words"),
    [
        ("yes", None, "yes (set)"),
        ("no", None, "no (set)"),
        ("unknown", None, "unknown: that is found out as tasks move"),
        ("unknown", "yes", "yes (found out)"),
    ],
)
def test_whether_it_calls_back_is_said_with_who_says_so(
    cli, service, show, *, given, learnt, words
):
    cli("servers", "register", "local", URL, "--calls-back", given)
    if learnt:
        service.learnt("local", learnt)
    assert show()["calls back"] == words


def test_a_name_that_is_taken_or_unknown_is_a_failure(cli):
    cli("servers", "register", "local", URL)
    assert cli("servers", "register", "local", URL).exit_code == 1
    assert cli("servers", "show", "other").exit_code == 1
    assert cli("servers", "change", "local").exit_code == 2
