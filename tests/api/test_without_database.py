"""While the database is down, nothing is acknowledged, and callers are told so at once."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.api.bad_input import GOOD, PLACES
from tests.api.contract import OPERATIONS, check_answer
from tests.api.service import Service, app_of, environment
from tests.ports import free_port
from tests.services import embedded_database, mongo_uri_at

# What answers without a look into the database.
APART = {"get_service_info", "healthz"}
SHORT = "custom: {database: {timeout: 0.2}}"
# Seconds: two are promised, and a machine that runs tests takes some more.
AT_ONCE = 3.0


def service_on(uri: str, folder: Path, config: str = "") -> Service:
    variables = environment(uri, f"test_{uuid.uuid4().hex[:12]}", folder)
    if config:
        (folder / "own.yaml").write_text(config)
        variables["CALLBACK_CONFIG"] = str(folder / "own.yaml")
    return Service(app_of(variables))


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service without database, that waits for one for a moment only."""
    return service_on(f"mongodb://127.0.0.1:{free_port()}", tmp_path_factory.mktemp("hasty"), SHORT)


@pytest.fixture
def silent() -> Iterator[str]:
    """What takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def hold() -> None:
            try:
                while True:
                    held.append(listener.accept()[0])
            except OSError:
                return

        threading.Thread(target=hold, daemon=True).start()
        yield f"mongodb://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def assert_unavailable(service: Service, path: str) -> None:
    begun = time.monotonic()
    answer = service.call("POST", path, {"id": "a", "state": "RUNNING"}, token=None)
    assert time.monotonic() - begun < AT_ONCE
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["detail"] == "the database did not confirm in time; try again"
    check_answer("receive_callback", answer)


@pytest.mark.parametrize(
    "name", [name for name, one in OPERATIONS.items() if name not in APART and not one.is_tes]
)
def test_every_operation_says_that_it_cannot(hasty: Service, name: str) -> None:
    operation, good = OPERATIONS[name], GOOD[name]
    path = operation.path
    for place, value in PLACES.items():
        path = path.replace("{" + place + "}", value)
    answer = hasty.call(
        operation.method, path.replace("{", "").replace("}", ""), good.body, token=good.token
    )
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    check_answer(name, answer)


@pytest.mark.parametrize("name", sorted(APART))
def test_the_process_lives_all_the_same(hasty: Service, name: str) -> None:
    assert hasty.ask(name, token=None).status_code == 200


def test_nobody_is_kept_waiting_by_a_database_that_is_down(tmp_path: Path) -> None:
    assert_unavailable(service_on(f"mongodb://127.0.0.1:{free_port()}", tmp_path), "/callbacks/a.b")


def test_nobody_is_kept_waiting_by_a_database_that_is_silent(tmp_path: Path, silent: str) -> None:
    assert_unavailable(service_on(silent, tmp_path), "/callbacks/a.b")


def test_nobody_is_kept_waiting_by_those_who_came_before_him(tmp_path: Path, silent: str) -> None:
    """The time that the group before has taken is not given to the next one anew."""
    service = service_on(silent, tmp_path)
    answers = []

    def call_back(number: int) -> None:
        begun = time.monotonic()
        body = {"id": f"task-{number}", "state": "RUNNING"}
        answer = service.app.test_client().post("/callbacks/a.b", json=body)
        answers.append((answer.status_code, time.monotonic() - begun))

    with ThreadPoolExecutor(10) as callers:
        for number in range(10):
            callers.submit(call_back, number)
            time.sleep(0.1)
    assert {status for status, _ in answers} == {503}
    assert len(answers) == 10
    assert max(took for _, took in answers) < AT_ONCE


def test_what_was_acknowledged_is_there_when_the_database_is_back(tmp_path: Path) -> None:
    port = free_port()
    storage = tmp_path / "database"
    storage.mkdir()
    service = service_on(mongo_uri_at(port), tmp_path)
    with embedded_database(storage, port):
        run = service.register()
        assert service.call_back(run, "a", "RUNNING").status_code == 204
    assert service.call_back(run, "a", "COMPLETE").status_code == 503
    with embedded_database(storage, port):
        told = service.ask("list_run_updates", run_id=run["id"]).json["updates"]
        assert [one["state"] for one in told] == ["RUNNING"]
        assert service.call_back(run, "a", "COMPLETE").status_code == 204


def test_the_log_says_why_and_the_caller_learns_nothing_of_it(
    hasty: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong password, a missing right and a full disk all read the same to callers."""
    answer = hasty.call("POST", "/callbacks/a.b", {"id": "a", "state": "RUNNING"}, token=None)
    (line,) = [one for one in caplog.records if one.message == "request.unavailable"]
    assert line.fields["cause"].startswith("ServerSelectionTimeoutError: 127.0.0.1:")
    assert "ServerSelection" not in answer.text


def test_probes_with_a_broker_that_is_silent_are_answered_within_their_second(
    tmp_path: Path, silent: str, mongo_uri: str, mongo_database: Database[dict[str, Any]]
) -> None:
    variables = environment(mongo_uri, mongo_database.name, tmp_path)
    broker = silent.replace("mongodb://", "amqp://guest:guest@")
    service = Service(app_of({**variables, "CELERY_BROKER_URL": broker}))
    service.ask("list_runs")  # What is made once, indexes among it, is made.
    begun = time.monotonic()
    checks = service.ask("readyz", token=None).json["checks"]
    assert time.monotonic() - begun < 1.5  # Machines that run tests are slow now and then.
    assert checks == {
        "database": "ok",
        "schema": "ok",
        "broker": "the broker does not answer (OperationalError)",
    }
