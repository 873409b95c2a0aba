"""What goes wrong is said in one sentence, on stderr, with a code that scripts can tell apart."""

import json

import pytest

from callback_service.domain.states import State
from callback_service.entrypoints.cli.service_client import connect
from tests.fakes.http_service import TOKEN


def has_failed(result, code):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output
    return result.stderr


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 2),
        (401, 2),
        (413, 2),
        (403, 1),
        (404, 1),
        (409, 1),
        (410, 1),
        (429, 3),
        (503, 3),
        (500, 3),
    ],
)
def test_each_answer_of_the_service_has_its_exit_code(cli, service, status, code):
    service.troubles.append((status, "the service's own words"))
    sentence = has_failed(cli("runs", "list"), code)
    assert status == 401 or "the service's own words." in sentence


def test_a_service_that_is_away_is_worth_another_try(cli, service):
    service.stop()
    sentence = has_failed(cli("runs", "list"), 3)
    assert service.url in sentence
    assert "callback-service up" in sentence
    service.start()


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://127.0.0.1", "http://[::1", "http://", "http://a:b"]
)
def test_a_url_that_is_none_is_wrong_use(cli, url):
    has_failed(cli("runs", "list", "--url", url), 2)


def test_another_service_is_not_taken_for_ours(cli, service):
    assert "another service" in has_failed(
        cli("runs", "list", "--url", f"{service.url}/readyz?"), 2
    )


def test_an_unknown_token_is_not_repeated(cli):
    sentence = has_failed(cli("runs", "list", "--token", "cbs_wrong"), 2)
    assert "does not know this token" in sentence
    assert "cbs_wrong" not in sentence


def test_without_a_token_it_says_where_one_is_looked_for(cli):
    sentence = has_failed(cli("runs", "list", env={"CALLBACK_API_TOKEN": ""}), 2)
    assert "--token" in sentence
    assert "--data" in sentence


@pytest.mark.parametrize("token", ["with space\n", "ümlaut", "a\x00b"])
def test_a_token_that_cannot_be_one_is_wrong_use(cli, token):
    has_failed(cli("runs", "list", "--token", token), 2)


def test_the_token_of_up_is_found_by_itself(cli, environ, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "api-token").write_text(f"{TOKEN}\n")
    assert cli("runs", "list", env={"CALLBACK_API_TOKEN": ""}).exit_code == 0


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("http://127.0.0.1:1", TOKEN),
        ("http://localhost:1", TOKEN),
        ("http://[::1]:1", TOKEN),
        ("http://example.org", None),
        ("http://127.0.0.1.example.org", None),
        ("http://127.0.0.1@example.org", None),
    ],
)
def test_the_token_of_up_is_shown_to_this_machine_only(tmp_path, url, token):
    (tmp_path / "api-token").write_text(TOKEN)
    assert connect(url, None, tmp_path).token == token


def test_a_token_file_that_cannot_be_read_is_named(cli, tmp_path):
    (tmp_path / "data" / "api-token").mkdir(parents=True)
    sentence = has_failed(cli("runs", "list", env={"CALLBACK_API_TOKEN": ""}), 2)
    assert "api-token" in sentence


def test_no_proxy_stands_between_us_and_this_machine(cli):
    assert cli("runs", "list", env={"HTTP_PROXY": "http://127.0.0.1:1"}).exit_code == 0


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["runs", "list", "--nonsense"], ["runs", "show"]]
)
def test_wrong_use_is_explained_on_stderr(cli, arguments):
    result = cli(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage: " in result.stderr


def test_a_callback_is_stored(cli, service):
    run = json.loads(cli("runs", "register", "--json").stdout)
    assert cli("send", run["callback_url"], "t1", "running").stdout == "Stored: t1 is RUNNING.\n"
    sent = cli("send", run["callback_url"], "t1", "COMPLETE", "--json").stdout
    assert json.loads(sent) == {"id": "t1", "state": "COMPLETE"}
    assert service.requests[-1][2] == {"id": "t1", "state": "COMPLETE"}


def test_a_state_that_is_none_is_not_sent(cli, service):
    sentence = has_failed(cli("send", f"{service.url}/callbacks/x", "t1", "DONE"), 2)
    assert all(state in sentence for state in State)
    assert service.requests == []


def test_a_callback_url_is_a_secret_in_every_failure(cli, service):
    url = f"{service.url}/callbacks/r1.secret"
    assert "secret" not in has_failed(cli("send", url, "t1", "RUNNING"), 1)
    service.troubles.append((503, "the database did not confirm in time"))
    assert "secret" not in has_failed(cli("send", url, "t1", "RUNNING"), 3)
    service.stop()
    assert "secret" not in has_failed(cli("send", url, "t1", "RUNNING"), 3)
    service.start()
