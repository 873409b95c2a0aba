"""The API as `callback-service serve` has it: bodies in chunks, streams, and lines without end."""

import socket
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from pymongo import MongoClient

from tests.api.bad_input import GOOD, KILOBYTES_300, PLACES
from tests.api.contract import OPERATIONS
from tests.api.service import JSON, TOKENS, environment, served

AUTHORIZED = {"Authorization": f"Bearer {TOKENS['admin']}"}
WITH_BODY = [name for name, operation in OPERATIONS.items() if operation.body]


@pytest.fixture(scope="module")
def url(
    mongo_uri: str,
    mongo_client: MongoClient[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with served(environment(mongo_uri, name, tmp_path_factory.mktemp("api"))) as url:
        yield url
    mongo_client.drop_database(name)


def register(url: str) -> dict[str, Any]:
    answer = requests.post(f"{url}/v1/runs", json={}, headers=AUTHORIZED, timeout=20)
    run: dict[str, Any] = answer.json()
    return run


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_large_body_is_refused_whether_its_length_is_told_or_not(url: str, name: str) -> None:
    operation = OPERATIONS[name]
    path = operation.path
    for place, value in PLACES.items():
        path = path.replace("{" + place + "}", value.strip("{}"))
    headers = {"Content-Type": JSON, **(AUTHORIZED if GOOD[name].token else {})}
    # A task is taken on its way to its server, and may have as many bytes as that likes.
    times = 60 if name == "CreateTask" else 1
    chunks = (b"[" * 10_000 * times for _ in range(KILOBYTES_300 // 10_000))
    for body in (b"[" * KILOBYTES_300 * times, chunks):
        answer = requests.request(
            operation.method, url + path, data=body, headers=headers, timeout=20
        )
        assert answer.status_code == 413
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_small_body_may_come_in_chunks(url: str) -> None:
    chunks = iter([b'{"id": "a", ', b'"state": "RUNNING"}'])
    callback_url = register(url)["callback_url"]
    headers = {"Content-Type": JSON}
    assert requests.post(callback_url, data=chunks, headers=headers, timeout=20).status_code == 204


def test_events_reach_a_reader_while_the_stream_goes_on(url: str) -> None:
    run = register(url)
    body = {"id": "streamed", "state": "RUNNING"}
    telling = threading.Timer(0.3, requests.post, (run["callback_url"],), {"json": body})
    headers = {**AUTHORIZED, "Accept": "text/event-stream"}
    path = f"{url}/v1/runs/{run['id']}/updates"
    with requests.get(path, headers=headers, stream=True, timeout=20) as stream:
        telling.start()
        received, chunks = b"", stream.iter_content(chunk_size=None)
        while b"data:" not in received:
            received += next(chunks)
    event = received.rpartition(b"id: ")[2].splitlines()
    assert event[1] == b"event: update"
    assert b'"state": "RUNNING"' in event[2]


@pytest.mark.parametrize("header", ["SCRIPT_NAME: /v1", "PATH_INFO: /healthz"])
def test_no_header_says_where_paths_begin(url: str, header: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        request_text = f"GET /v1/runs HTTP/1.1\r\nHost: a\r\n{header}\r\nConnection: close\r\n\r\n"
        connection.sendall(request_text.encode())
        with connection.makefile("rb") as received:
            answer = received.readline()
    assert answer.split()[1] == b"401"


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /v1/runs/{endless} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /v1/runs/a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /v1/runs/%00%0a%0d HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: {endless}\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX\x00Y: b\r\n\r\n",
        "POST /callbacks/x HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        "POST /callbacks/x HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
        "POST /callbacks/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "BREW /callbacks/x HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\r\n\r\n",
    ],
    ids=range(11),
)
def test_what_is_no_http_is_no_fault_of_ours(url: str, request_text: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request_text.format(endless="x" * 10_000).encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as received:
            answer = received.readline()
    # Or it hangs up.
    assert not answer or answer.split()[1].startswith(b"4"), answer
    assert requests.get(f"{url}/healthz", timeout=20).status_code == 200
