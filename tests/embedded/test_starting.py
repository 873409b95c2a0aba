"""What `up` starts, what it tells those processes, and what it says when they are ready."""

import json
import stat

import pytest
import yaml

from callback_service.domain.capability import hash_token


def told(up, name):
    return next(note["told"] for note in up.notes("started") if note["name"] == name)


def test_the_first_up_says_where_everything_is(up):
    up.start().until_ready()
    token = (up.data / "api-token").read_text().strip()
    url = f"http://127.0.0.1:{up.port}"
    lines = up.said.splitlines()
    assert [line for line in lines if line.endswith(f"{url}/ga4gh/tes/v1/ui/")]
    assert f"API token  {token}" in up.said
    assert "127.0.0.0/8,::1/128" in up.said
    assert (
        f'curl -X POST {url}/v1/runs -H "Authorization: Bearer {token}" '
        """-H 'Content-Type: application/json' -d '{"name": "my-run"}'"""
    ) in lines


def test_the_token_is_secret_and_only_its_hash_is_told(up):
    up.start().until_ready()
    token = (up.data / "api-token").read_text().strip()
    for name in ("api-token", "tokens.yaml"):
        assert stat.S_IMODE((up.data / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(up.data.stat().st_mode) == 0o700
    # In a folder that was there already, too: signing secrets are in the database.
    assert stat.S_IMODE((up.data / "db").stat().st_mode) == 0o700
    assert yaml.safe_load((up.data / "tokens.yaml").read_text()) == [
        {"owner": "local", "role": "admin", "hash": hash_token(token)}
    ]
    assert token not in json.dumps(up.notes("started"))


def test_the_token_stays_the_same(up):
    up.start().until_ready()
    token = (up.data / "api-token").read_text()
    up.interrupt()
    up.start().until_ready()
    assert (up.data / "api-token").read_text() == token
    assert token.strip() in up.said


def test_api_and_worker_are_told_where_everything_is(up):
    up.start().until_ready()
    up.until_started("worker")
    assert told(up, "api") == told(up, "worker")
    environ = told(up, "api")
    assert environ.pop("MONGO_URI").startswith("mongodb://127.0.0.1:")
    assert environ == {
        "CELERY_BROKER_URL": "filesystem://",
        "CALLBACK_BROKER_FOLDER": str(up.data / "broker"),
        "CALLBACK_PUBLIC_URL": f"http://127.0.0.1:{up.port}",
        "CALLBACK_API_TOKENS_FILE": str(up.data / "tokens.yaml"),
        "CALLBACK_EGRESS_ALLOW": "127.0.0.0/8,::1/128",
    }


def test_what_the_environment_says_goes_first(up):
    said = {
        "CALLBACK_PUBLIC_URL": "https://callbacks.example.org",
        "CALLBACK_EGRESS_ALLOW": "10.0.0.0/8",
        "CALLBACK_API_TOKENS_FILE": "/etc/callback/tokens.yaml",
    }
    up.start(environ=said).until_ready()
    assert said.items() <= told(up, "api").items()
    assert "/etc/callback/tokens.yaml" in up.said
    assert "10.0.0.0/8" in up.said
    assert not (up.data / "api-token").exists()


@pytest.mark.parametrize("how", [{"auth": False}, {"environ": {"CALLBACK_AUTH": "off"}}])
def test_without_authentication_there_is_no_token(up, how):
    up.start(**how).until_ready()
    assert told(up, "api")["CALLBACK_AUTH"] == "off"
    assert "Bearer" not in up.said
    assert not (up.data / "api-token").exists()


def test_as_many_workers_as_asked_for(up):
    up.start(workers=3).until_ready()
    up.until_started("worker", 3)
    assert {path.name for path in (up.data / "logs").iterdir()} == {
        *("api.log", "database.log", "worker.log", "worker-2.log", "worker-3.log")
    }


def test_the_output_of_each_process_is_in_its_log(up):
    up.start().until_ready()
    assert (up.data / "logs" / "api.log").read_text().startswith("api says hello\n")
    assert "hello" not in up.said + up.complained


def test_no_repository_takes_the_data_in(up):
    up.start().until_ready()
    assert (up.data / ".gitignore").read_text() == "*\n"


def test_messages_of_the_last_time_are_forgotten(up):
    """The sweeper rings again; half a message of a killed process would be an error."""
    up.start().until_ready()
    up.interrupt()
    (up.data / "broker" / "half").write_text("{")
    up.start().until_ready()
    assert not (up.data / "broker" / "half").exists()


def test_a_tes_server_is_registered_once_all_is_ready(up):
    up.start(tes="http://127.0.0.1:8000").until_ready()
    (note,) = [one for one in up.notes("started") if one["name"] == "init"]
    assert note["arguments"] == ["--tes", "http://127.0.0.1:8000", "--access", "open"]
    assert note["told"] == told(up, "api")
    url = f"http://127.0.0.1:{up.port}"
    assert f"go to http://127.0.0.1:8000; its clients take {url} as their TES URL" in up.said


def test_what_others_can_reach_asks_for_a_token(up):
    up.start(tes="http://127.0.0.1:8000", host="0.0.0.0").until_ready()  # noqa: S104
    (note,) = [one for one in up.notes("started") if one["name"] == "init"]
    assert note["arguments"][-2:] == ["--access", "token"]


def test_without_a_tes_server_nothing_is_registered(up):
    up.start().until_ready()
    assert not [one for one in up.notes("started") if one["name"] == "init"]
