"""`callback-service servers` names the TES servers."""

import json


def test_a_server_is_registered_changed_and_forgotten(cli, service):
    result = cli("servers", "register", "local", "http://127.0.0.1:8000", "--calls-back", "no")
    assert result.exit_code == 0, result.output
    assert service.requests[-1][2] == {
        "name": "local",
        "url": "http://127.0.0.1:8000",
        "calls_back": "no",
    }
    cli("servers", "change", "local", "--default", "--tes-url", "http://127.0.0.1:8001")
    shown = json.loads(cli("servers", "show", "local", "--json").stdout)
    assert shown.items() >= {"url": "http://127.0.0.1:8001", "default": True}.items()
    assert cli("servers", "delete", "local").stdout == "Forgot local.\n"
    assert json.loads(cli("servers", "list", "--json").stdout) == {"servers": []}


def test_servers_are_listed_with_what_is_known_of_them(cli):
    cli("servers", "register", "local", "http://127.0.0.1:8000", "--default")
    heading, line = cli("servers", "list").stdout.splitlines()
    assert heading.split() == ["NAME", "TES", "SERVER", "CALLS", "BACK", "DEFAULT"]
    assert line.split() == ["local", "http://127.0.0.1:8000", "unknown", "yes"]


def test_a_name_that_is_taken_or_unknown_is_a_failure(cli):
    cli("servers", "register", "local", "http://127.0.0.1:8000")
    assert cli("servers", "register", "local", "http://127.0.0.1:8000").exit_code == 1
    assert cli("servers", "show", "other").exit_code == 1
    assert cli("servers", "change", "local").exit_code == 2
