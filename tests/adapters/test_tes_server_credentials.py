"""Who is shown what, and nobody else."""

import logging
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from callback_service.adapters.tes_server import Basic, Bearer, KnownSecret, SecretFile
from tests.adapters.tes_talkers import CREATE, OK, READ, always, asking, outcome, talker


def test_basic_and_bearer():
    credentials = {
        "a": Basic("aladdin", KnownSecret("open sesame")),
        "b": Bearer(KnownSecret("t0ken")),
    }
    with talker(always(OK)) as told, asking(credentials) as servers:
        for name in credentials:
            servers.ask(replace(told.server, credentials=name), READ)
    first, second = told.requests
    assert b"\r\nAuthorization: Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n" in first
    assert b"\r\nAuthorization: Bearer t0ken\r\n" in second


def write(path: Path, text: str, at: float) -> None:
    path.write_text(text)
    os.utime(path, (at, at))


def test_a_token_in_a_file_is_read_again_when_it_was_changed(tmp_path: Path):
    path = tmp_path / "token"
    write(path, "first\n", time.time() - 60)
    with talker(always(OK)) as told, asking({"a": Bearer(SecretFile(path))}) as servers:
        server = replace(told.server, credentials="a")
        servers.ask(server, READ)
        write(path, "other\n", time.time() - 30)
        servers.ask(server, READ)
    assert b"Bearer first\r\n" in told.requests[0]
    assert b"Bearer other\r\n" in told.requests[1]


def test_a_mounted_secret_that_is_swapped_is_read_again(tmp_path: Path):
    """Kubernetes turns a symbolic link to a folder; the files are as long and as old as before."""
    at = time.time() - 60
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "token", name, at)
    data = tmp_path / "data"
    data.symlink_to(tmp_path / "one")
    secret = SecretFile(data / "token")
    assert secret.read() == "one"
    (tmp_path / "new").symlink_to(tmp_path / "two")
    (tmp_path / "new").rename(data)
    assert secret.read() == "two"


def test_a_file_that_was_written_twice_at_one_time_is_read_again(tmp_path: Path):
    path, at = tmp_path / "token", time.time()
    write(path, "one", at)
    secret = SecretFile(path)
    assert secret.read() == "one"
    write(path, "two", at)
    assert secret.read() == "two"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read (no such file or directory)"),
        (b"", "does not hold one line of text"),
        (b"  \n", "does not hold one line of text"),
        (b"hidden\nX-Evil: 1", "does not hold one line of text"),
        (b"hidden\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_what_is_in_it_is_not(
    tmp_path: Path, content: bytes | None, reason: str
):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with talker(always(OK)) as told, asking({"ours": Bearer(SecretFile(path))}) as servers:
        failure = str(outcome(servers, replace(told.server, credentials="ours")))
    assert failure == (
        f"the TES server tes-1 cannot be asked: its credentials ours cannot be had: {path} {reason}"
    )
    assert told.requests == []


def test_credentials_are_in_no_text_that_anybody_reads(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    credentials = {"a": Basic("aladdin", KnownSecret("hidden")), "b": Bearer(KnownSecret("hidden"))}
    with talker(always(b"HTTP/1.1 302 x\r\nLocation: /\r\n\r\n")) as told:
        with asking(credentials) as servers:
            failures = [
                outcome(servers, replace(told.server, credentials=name), question)
                for name in credentials
                for question in (READ, CREATE)
            ]
        own = replace(READ, authorization="Bearer hidden")
        with asking() as servers:
            failures.append(outcome(servers, told.server, own))
    assert all(b"Authorization: " in request for request in told.requests)
    texts = [caplog.text, repr(credentials), *map(repr, failures), *map(str, failures)]
    texts += [repr(getattr(failure, "__cause__", None)) for failure in failures]
    assert not [text for text in texts if "hidden" in text or "aGlkZGVu" in text]


def test_a_redirect_to_another_host_is_shown_nothing():
    with talker(always(OK)) as other:
        answer = b"HTTP/1.1 307 x\r\nLocation: %s/tasks\r\nContent-Length: 0\r\n\r\n"
        with (
            talker(always(answer % other.url.encode())) as told,
            asking({"a": Bearer(KnownSecret("hidden"))}) as servers,
        ):
            failure = str(outcome(servers, replace(told.server, credentials="a")))
    assert "redirects to http://127.0.0.1:" in failure
    assert other.lines == []
