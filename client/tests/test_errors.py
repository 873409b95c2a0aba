"""How requests fail: always with a `CallbackServiceError`."""

import pickle
import socket
import threading

import pytest
from callback_client import CallbackClient, CallbackServiceError, ServiceUnreachable

from client.tests.fake_service import Answer


def test_a_problem_says_what_was_wrong_where(client):
    with pytest.raises(CallbackServiceError) as refused:
        client.register(sink="nowhere")
    error = refused.value
    assert (error.status, error.title) == (400, "Bad Request")
    assert error.detail == "sink.url: must be an http or https URL"
    assert error.errors == (("sink.url", "must be an http or https URL"),)
    assert str(error) == "400 Bad Request: sink.url: must be an http or https URL"
    assert not error.may_pass


def test_an_unknown_run_is_404(client):
    for ask in (client.run, client.delete, client.pause, lambda run: next(client.tasks(run))):
        with pytest.raises(CallbackServiceError) as refused:
            ask("r0")
        assert refused.value.status == 404


def test_a_busy_service_says_when_to_come_back(client, service):
    service.fail(503, Retry_After="2")
    with pytest.raises(CallbackServiceError) as refused:
        client.register()
    assert (refused.value.status, refused.value.retry_after) == (503, 2)
    assert refused.value.may_pass
    assert len(service.exchanges) == 1  # nothing is tried twice


@pytest.mark.parametrize(
    "body", [b"<html>Bad gateway</html>", b"", [], {"errors": ["odd"]}, {"errors": 5}]
)
def test_an_error_that_is_no_problem_document_is_one_all_the_same(client, service, body):
    service.answer_next(Answer(502, body))
    with pytest.raises(CallbackServiceError) as refused:
        client.register()
    assert refused.value.status == 502
    assert str(refused.value).startswith("502 Bad Gateway")


def test_a_redirect_is_not_followed_but_told(client, service):
    service.answer_next(Answer(307, None, {"Location": "https://other.example.org/v1/runs"}))
    with pytest.raises(CallbackServiceError, match=r"elsewhere: https://other\.example\.org") as it:
        client.register()
    assert it.value.status == 307


def test_a_service_that_is_not_there_is_unreachable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ServiceUnreachable) as failed:
            CallbackClient(url).register()
    assert str(failed.value) == f"{url} does not answer: Connection refused"
    assert (failed.value.status, failed.value.may_pass) == (0, True)


def test_a_service_that_hangs_up_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def hang_up():
            near, _ = listener.accept()
            near.recv(65536)
            near.close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        with pytest.raises(ServiceUnreachable) as failed:
            CallbackClient(url).run("r1")
        hanging_up.join()
    assert str(failed.value) == f"{url} does not answer: it closed the connection"


def test_a_service_that_says_nothing_is_unreachable():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ServiceUnreachable, match="timed out"):
            CallbackClient(url, timeout=0.1).register()


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b'{"id": "r0'])
def test_what_is_not_json_is_no_answer(client, service, body):
    service.answer_next(Answer(200, body))
    with pytest.raises(ServiceUnreachable, match="not JSON"):
        client.run("r0")


@pytest.mark.parametrize("body", [{}, [], b"", {"id": "r0", "created_at": "yesterday"}])
def test_json_that_is_something_else_is_told_as_that(client, service, body):
    service.answer_next(Answer(200, body))
    with pytest.raises(CallbackServiceError, match="not understood") as failed:
        client.run("r0")
    assert failed.value.status == 200


def test_errors_travel_between_processes():
    """Engines run their tasks in pools of processes."""
    error = CallbackServiceError("gone", status=410, title="Gone", retry_after=1)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made a moment ago
    assert (str(copy), copy.__dict__) == (str(error), error.__dict__)
