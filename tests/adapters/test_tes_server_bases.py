"""Below which path a server is found, and when it is looked for again."""

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from callback_service.adapters.tes_server import HttpTesServers
from callback_service.adapters.tes_server.bases import Bases
from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from callback_service.relay.ports import Question
from tests.adapters.tes_talkers import CREATE, READ, Line, Talker, asking, outcome, talker
from tests.fakes.clock import START

LISTED = "/tasks?page_size=1&view=MINIMAL"
TASKS = {"tasks": []}
ANY = Question("/tasks/1")
PREFIXES = ("/ga4gh/tes/v1", "/v1", "")


def answering(paths: Mapping[str, tuple[int, Any]], pause: float = 0.0) -> Any:
    """Answers by path; what is not in it is not found. It may be changed at any time."""

    def talk(line: Line) -> None:
        while True:
            path = line.request().split(b" ")[1].decode()
            time.sleep(pause)
            status, answer = paths.get(path, (404, {"message": "no such page"}))
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            length = f"Content-Length: {len(body)}\r\n\r\n"
            line.send(f"HTTP/1.1 {status} x\r\nLocation: /login\r\n{length}".encode() + body)

    return talk


def registered(told: Talker, path: str = "") -> Server:
    return Server("tes-1", told.url.removesuffix("/ga4gh/tes/v1") + path, START)


def asked(told: Talker) -> list[str]:
    return [" ".join(request.decode().split(" ")[:2]) for request in told.requests]


@pytest.mark.parametrize("base", PREFIXES)
@pytest.mark.parametrize("path", ["", "/services/tes"])
def test_it_is_looked_for_once_and_by_reading(base: str, path: str):
    paths = {f"{path}{base}/service-info": (200, {"type": {"artifact": "tes"}})}
    with talker(answering(paths)) as told, asking() as servers:
        for question in (CREATE, ANY, CREATE):
            servers.ask(registered(told, path), question)
    posts = [line for line in asked(told) if line.startswith("POST ")]
    assert posts == [f"POST {path}{base}/tasks"] * 2
    assert asked(told).count(f"GET {path}{base}/service-info") == 1
    assert asked(told)[-2:] == [f"GET {path}{base}/tasks/1", f"POST {path}{base}/tasks"]


@pytest.mark.parametrize("info", [404, 405, 500, 501])
def test_a_server_without_a_service_info_is_known_by_its_list(info: int):
    paths = {"/v1/service-info": (info, {}), f"/v1{LISTED}": (200, TASKS)}
    with talker(answering(paths)) as told, asking() as servers:
        servers.ask(registered(told), ANY)
    assert asked(told)[-1] == "GET /v1/tasks/1"


@pytest.mark.parametrize(
    "answer",
    [b"<!doctype html>", [], b"", {"type": {"artifact": "wes"}}],
    ids=["web-page", "array", "nothing", "another-service"],
)
def test_what_else_is_there_is_not_taken_for_it(answer: Any):
    paths = {
        "/ga4gh/tes/v1/service-info": (200, answer),
        "/v1/service-info": (200, {}),
    }
    with talker(answering(paths)) as told, asking() as servers:
        servers.ask(registered(told), ANY)
    assert asked(told)[-1] == "GET /v1/tasks/1"


@pytest.mark.parametrize("status", [401, 403])
def test_a_base_that_is_closed_is_there(status: int):
    paths = {"/v1/service-info": (status, {}), "/v1/tasks/1": (status, {})}
    with talker(answering(paths)) as told, asking() as servers:
        assert servers.ask(registered(told), ANY).status == status
        count = len(told.requests)
        servers.ask(registered(told), ANY)
        assert len(told.requests) == count + 1


def test_a_base_that_is_open_goes_before_one_that_is_closed():
    paths = {"/ga4gh/tes/v1/service-info": (401, {}), "/v1/service-info": (200, {})}
    with talker(answering(paths)) as told, asking() as servers:
        servers.ask(registered(told), CREATE)
    assert asked(told)[-1] == "POST /v1/tasks"


def test_a_server_that_is_closed_everywhere_is_looked_for_again():
    paths: dict[str, tuple[int, Any]] = {f"{base}/service-info": (401, {}) for base in PREFIXES}
    with talker(answering(paths)) as told, asking(bases=Bases(doubtful_for=0.0)) as servers:
        servers.ask(registered(told), ANY)
        assert asked(told)[-1] == "GET /ga4gh/tes/v1/tasks/1"
        paths["/v1/service-info"] = (200, {})
        servers.ask(registered(told), ANY)
        assert asked(told)[-1] == "GET /v1/tasks/1"


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        ({}, "does not answer as one below its URL (tried /ga4gh/tes/v1, /v1, /)"),
        ({"/ga4gh/tes/v1/service-info": (503, {})}, "answers 503"),
        ({"/ga4gh/tes/v1/service-info": (301, {})}, "redirects to http://127.0.0.1:"),
    ],
)
def test_a_server_that_is_nowhere_fails_and_is_left_alone_for_a_while(
    paths: dict[str, tuple[int, Any]], reason: str
):
    with talker(answering(paths)) as told, asking() as servers:
        failures = [outcome(servers, registered(told), CREATE) for _ in range(5)]
    assert all(isinstance(one, ServerFailed) and reason in str(one) for one in failures)
    assert len(told.requests) == 6


def test_a_server_that_was_nowhere_is_found_when_it_is_there():
    paths: dict[str, tuple[int, Any]] = {}
    with talker(answering(paths)) as told, asking(bases=Bases(doubtful_for=0.1)) as servers:
        assert isinstance(outcome(servers, registered(told), CREATE), ServerFailed)
        paths["/v1/service-info"] = (200, {})
        time.sleep(0.11)
        servers.ask(registered(told), CREATE)
    assert asked(told)[-1] == "POST /v1/tasks"


def moved(paths: dict[str, tuple[int, Any]]) -> None:
    """The server is replaced by one that answers elsewhere."""
    paths["/ga4gh/tes/v1/service-info"] = paths.pop("/v1/service-info")


def test_a_task_that_is_not_found_is_no_reason_to_look_again():
    paths = {"/v1/service-info": (200, {})}
    with talker(answering(paths)) as told, asking() as servers:
        for _ in range(5):
            assert servers.ask(registered(told), ANY).status == 404
    assert asked(told)[-4:] == ["GET /v1/tasks/1"] * 4


def test_but_it_is_after_a_while():
    paths = {"/v1/service-info": (200, {})}
    with talker(answering(paths)) as told, asking(bases=Bases(missed_for=0.05)) as servers:
        servers.ask(registered(told), ANY)
        moved(paths)
        time.sleep(0.06)
        assert servers.ask(registered(told), ANY).status == 404
        servers.ask(registered(told), ANY)
    assert asked(told)[-1] == "GET /ga4gh/tes/v1/tasks/1"


def test_a_server_that_could_not_be_reached_is_looked_for_when_it_is_back():
    paths = {"/v1/service-info": (200, {})}
    with asking() as servers:
        with talker(answering(paths)) as told:
            servers.ask(registered(told), ANY)
            port = int(told.url.split(":")[2].split("/")[0])
        assert isinstance(outcome(servers, registered(told), CREATE), ServerFailed)
        moved(paths)
        with talker(answering(paths), port=port) as told:
            servers.ask(registered(told), CREATE)
            assert asked(told)[-1] == "POST /ga4gh/tes/v1/tasks"


def test_a_server_that_was_registered_anew_is_looked_for():
    paths = {"/v1/service-info": (200, {}), "/new/service-info": (200, {})}
    with talker(answering(paths)) as told, asking() as servers:
        servers.ask(registered(told), ANY)
        servers.ask(registered(told, "/new"), ANY)
    assert asked(told)[-1] == "GET /new/tasks/1"


def test_of_many_who_want_to_know_one_looks():
    paths = {"/v1/service-info": (200, {})}
    with talker(answering(paths, pause=0.05)) as told, asking(timeout=5) as servers:
        in_threads(servers, registered(told), 20)
    looked = [line for line in asked(told) if not line.endswith("/tasks/1")]
    assert looked == [
        "GET /ga4gh/tes/v1/service-info",
        f"GET /ga4gh/tes/v1{LISTED}",
        "GET /v1/service-info",
    ]
    assert asked(told).count("GET /v1/tasks/1") == 20


def test_those_who_wait_for_it_fail_with_whoever_looks():
    def talk(line: Line) -> None:
        line.request()
        line.wait_for_end()

    with talker(talk) as told, asking(timeout=0.3) as servers:
        failures = in_threads(servers, registered(told), 5)
    assert [isinstance(one, ServerFailed) and one.is_late for one in failures] == [True] * 5
    assert len(set(map(id, failures))) == 5
    assert asked(told) == ["GET /ga4gh/tes/v1/service-info"]


def in_threads(servers: HttpTesServers, server: Server, count: int) -> list[Any]:
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(outcome(servers, server, ANY)))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_a_url_that_names_its_version_is_taken_as_it_is():
    with talker(answering({})) as told, asking() as servers:
        assert servers.ask(told.server, READ).status == 404
        assert servers.ask(registered(told, "/own/v1"), CREATE).status == 404
    assert asked(told) == [
        "GET /ga4gh/tes/v1/tasks/1?view=MINIMAL",
        "POST /own/v1/tasks",
    ]
