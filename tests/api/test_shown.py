"""Values of the domain, as the contract describes them and with nothing besides."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from jsonschema import Draft4Validator

from callback_service.domain.polling import Budget, CallsBack, Polling
from callback_service.domain.server import Access, Server
from callback_service.domain.states import Source, State
from callback_service.domain.task import LOST, MISSING_FOR, Task, TaskKey
from callback_service.entrypoints.api.shown import shown_server, shown_task
from tests.api.contract import FORMATS, SERVICE, resolved, undescribed

NOW = datetime(2025, 6, 12, 14, 30, tzinfo=UTC)
HERE = "https://callbacks.example.org"
TESK = Server("tesk", "https://tes.example.org", NOW)


def described(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """The value, which is one of the contract's schema of that name."""
    schema = resolved(SERVICE["components"]["schemas"][name], SERVICE)
    validator = Draft4Validator(schema, format_checker=FORMATS)
    assert [error.message for error in validator.iter_errors(value)] == []
    assert list(undescribed(schema, value)) == []
    return value


def show(server: Server) -> dict[str, Any]:
    return described("Server", shown_server(server, HERE))


def test_a_server_that_is_asked_shows_when_and_how_often() -> None:
    spent = Polling().spend(3, NOW, Budget())
    polling = spent.succeed(NOW, is_cover=True)
    shown = show(replace(TESK, polling=polling))["polling"]
    assert shown == {
        "last_poll_at": "2025-06-12T14:30:00.000Z",
        "covered_at": "2025-06-12T14:30:00.000Z",
        "requests": 3,
        "failures": 0,
        "filters": "untried",
    }


def test_a_server_that_fails_shows_why_and_until_when_it_is_left_alone() -> None:
    failed = Polling().fail("the TES server refused the connection", NOW, chance=0.5)
    shown = show(replace(TESK, polling=failed))["polling"]
    assert shown["error"] == "the TES server refused the connection"
    assert shown["failures"] == 1
    assert shown["next_poll_at"] == "2025-06-12T14:30:01.000Z"
    healed = failed.succeed(NOW + timedelta(seconds=2), is_cover=False)
    assert "error" not in show(replace(TESK, polling=healed))["polling"]


def test_what_was_learnt_is_shown_until_somebody_says_otherwise() -> None:
    learnt = replace(TESK, polling=Polling().learn(told=50, found=0))
    assert show(learnt).items() >= {"calls_back": "yes", "calls_back_learnt": True}.items()
    said = replace(learnt, calls_back=CallsBack.NO)
    assert show(said).items() >= {"calls_back": "no", "calls_back_learnt": False}.items()


def test_credentials_are_shown_by_their_name() -> None:
    shown = show(replace(TESK, access=Access.PASS, credentials="hpc"))
    assert (shown["access"], shown["credentials"]) == ("pass", "hpc")


def test_a_task_that_its_server_lost_says_so_in_its_history() -> None:
    task = Task(TaskKey("alice", "tesk", "job-1")).hear(State.RUNNING, Source.CALLBACK, NOW)
    lost = task.miss(NOW).miss(NOW + MISSING_FOR)
    history = described("Task", shown_task(lost))["history"]
    assert [one["state"] for one in history] == ["RUNNING", "SYSTEM_ERROR"]
    assert [one.get("reason") for one in history] == [None, LOST]
