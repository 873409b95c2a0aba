"""What the methods ask and how they read what is answered."""

from datetime import datetime, timedelta, timezone

import pytest
from callback_client import CallbackClient, Polling, TaskState, Update

from client.tests.fake_service import Answer, FakeService


def last_body(service):
    return service.exchanges[-1].body


def test_a_run_is_registered_with_what_was_given_only(client, service):
    client.register()
    assert last_body(service) == {}
    client.register("my-run", tags={"project": "demo"}, tasks=["job-1", ("other", "job-2")])
    assert last_body(service) == {
        "name": "my-run",
        "tags": {"project": "demo"},
        "tasks": [{"id": "job-1"}, {"server": "other", "id": "job-2"}],
    }


def test_a_sink_may_be_a_url_or_what_the_contract_writes(client, service):
    client.register(sink="http://127.0.0.1:9000/")
    assert last_body(service) == {"sink": {"type": "http", "url": "http://127.0.0.1:9000/"}}
    run = client.register(sink={"type": "http", "url": "http://127.0.0.1:9000/", "format": "tes"})
    assert run.sink["format"] == "tes"


def test_only_a_registered_run_shows_its_capabilities_and_no_log_does(client):
    run = client.register("my-run")
    assert "/callbacks/" in run.callback_url
    assert run.secret.startswith("whsec_")
    assert run.secret not in repr(run)
    assert run.callback_url not in repr(run)
    again = client.run(run.id)
    assert (again.callback_url, again.secret) == ("", "")


def test_a_run_says_how_it_stands(client, service):
    service.report("job-1", "QUEUED", "RUNNING")
    run = client.run(client.register("my-run", tasks=["job-1", "job-2"], expires_in=3600).id)
    assert (run.name, run.status, run.owner) == ("my-run", "active", "local")
    assert run.tasks == {"RUNNING": 1, "UNKNOWN": 1}
    assert (run.owed, run.dead_letters) == (0, 0)
    assert run.created_at == datetime(2025, 6, 12, 14, 30, tzinfo=timezone.utc)
    assert run.next_attempt_at is None


def test_runs_are_listed_over_all_pages(client, service):
    service.page_size = 2
    made = [client.register(f"run-{number}").id for number in range(5)]
    assert [run.id for run in client.runs()] == made[::-1]
    assert len(service.asked("list_runs")) == 3


def test_runs_are_found_by_their_tags_each_key_with_its_value(client, service):
    wanted = client.register("one", tags={"project": "a", "user": "b"}).id
    client.register("two", tags={"project": "b", "user": "a"})
    assert [run.id for run in client.runs(tags={"project": "a", "user": "b"})] == [wanted]
    assert [run.id for run in client.runs(tags={"user": ""}, name_prefix="o")] == [wanted]
    assert service.exchanges[-1].query == [
        ("name_prefix", "o"),
        ("tag_key", "user"),
        ("tag_value", ""),
    ]


def test_a_run_is_changed_paused_resumed_and_deleted(client):
    run_id = client.register("my-run").id
    assert client.change(run_id, name="other", sink="http://127.0.0.1:9000/").name == "other"
    assert client.pause(run_id).status == "paused"
    assert client.resume(run_id).status == "active"
    client.delete(run_id)
    assert list(client.runs()) == []


def test_a_run_is_told_again_since_a_time_that_has_a_zone(client, service):
    run_id = client.register(sink="http://127.0.0.1:9000/").id
    client.redeliver(run_id)
    assert last_body(service) == {}
    since = datetime(2025, 6, 12, 16, 30, tzinfo=timezone(timedelta(hours=2)))
    client.redeliver(run_id, since=since, tasks=["job-1"])
    assert last_body(service) == {"since": "2025-06-12T16:30:00+02:00", "tasks": ["job-1"]}
    with pytest.raises(ValueError, match="time zone"):
        client.redeliver(run_id, since=datetime(2025, 6, 12))  # noqa: DTZ001 - that is the case


def test_capabilities_are_exchanged(client, service):
    run = client.register()
    fresh = client.rotate(run.id)
    assert fresh.callback_url not in (run.callback_url, repr(fresh))
    assert last_body(service) is None
    client.rotate(run.id, overlap=0)
    assert last_body(service) == {"overlap": 0}


def test_deliveries_are_read_with_and_without_an_answer(client, service):
    attempt = {
        "at": "2025-06-12T14:30:00.012Z",
        "webhook_id": "msg_0",
        "attempt": 1,
        "updates": 3,
        "verdict": "told",
        "latency_ms": 8.3,
    }
    service.deliveries = [{**attempt, "status": 204}, {**attempt, "error": "timed out"}]
    told, failed = client.deliveries(client.register().id)
    assert (told.status, told.error, told.at.microsecond) == (204, None, 12000)
    assert (failed.status, failed.error) == (None, "timed out")


def test_tasks_that_are_added_say_how_they_stand(client, service):
    service.report("job-1", "QUEUED", "COMPLETE")
    run_id = client.register().id
    assert client.add_tasks(run_id, ["job-1", ("other", "job-2")]) == [
        TaskState("default", "job-1", "COMPLETE", 2),
        TaskState("other", "job-2", "UNKNOWN", 0),
    ]
    assert [task.id for task in client.tasks(run_id)] == ["job-1", "job-2"]


def test_more_tasks_than_the_service_takes_at_once_are_asked_for_in_pieces(client, service):
    names = [f"job-{number}" for number in range(2001)]
    assert [found.id for found in client.states(iter(names))] == names
    assert [len(asked.body["tasks"]) for asked in service.asked("list_states")] == [1000, 1000, 1]
    assert client.states([]) == []


def test_a_task_tells_its_history_as_updates(client, service):
    service.report("job-1", "QUEUED", "RUNNING", "COMPLETE")
    task = client.task("default", "job-1")
    assert (task.state, task.seq, task.final) == ("COMPLETE", 3, True)
    assert [(move.previous, move.state, move.final) for move in task.history] == [
        ("UNKNOWN", "QUEUED", False),
        ("QUEUED", "RUNNING", False),
        ("RUNNING", "COMPLETE", True),
    ]
    assert all((move.server, move.task_id) == ("default", "job-1") for move in task.history)


def test_awaiting_a_task_takes_no_longer_than_its_change(client, service, later):
    service.report("job-1", "QUEUED")
    later(0.1, lambda: service.report("job-1", "RUNNING"))
    assert client.task("default", "job-1", known="QUEUED", wait=30).state == "RUNNING"
    assert client.task("default", "job-1", known="RUNNING", wait=0.05).state == "RUNNING"


@pytest.mark.parametrize("task_id", ["a/b", "a b", "a:b?c#d", "ä%2F", "..a", "a/../b"])
def test_a_task_id_may_be_any_text(client, service, task_id):
    service.report(task_id, "RUNNING")
    assert client.task("default", task_id).id == task_id


@pytest.mark.parametrize("run_id", ["", ".", ".."])
def test_what_would_name_something_else_is_no_id(client, service, run_id):
    with pytest.raises(ValueError, match="not an id"):
        client.delete(run_id)
    assert not service.exchanges


def test_servers_are_registered_changed_and_forgotten(client, service):
    made = client.register_server("local", "http://127.0.0.1:8000", default=True)
    assert (made.name, made.calls_back, made.default) == ("local", "unknown", True)
    assert made.gateway_url == f"{service.url}/gateway/local"
    assert client.change_server("local", calls_back="no").calls_back == "no"
    assert [server.name for server in client.servers()] == ["local"]
    assert client.server("local").default
    client.delete_server("local")
    assert client.servers() == []


def test_a_servers_access_and_credentials_are_said_and_taken_back(client):
    made = client.register_server("local", "http://127.0.0.1:8000", access="pass")
    assert (made.access, made.credentials) == ("pass", None)
    changed = client.change_server("local", access="token", credentials="hpc")
    assert (changed.access, changed.credentials) == ("token", "hpc")
    assert client.change_server("local", access="open").credentials == "hpc"
    assert client.change_server("local", credentials="").credentials is None


def test_a_server_tells_how_asking_it_goes(client, service):
    made = client.register_server("local", "http://127.0.0.1:8000")
    assert made.polling == Polling()
    assert made.calls_back_learnt
    assert not client.change_server("local", calls_back="yes").calls_back_learnt
    at = "2025-06-12T14:30:00.000Z"
    service.polled("local", requests=3, failures=1, error="refused", next_poll_at=at)
    polling = client.server("local").polling
    assert (polling.requests, polling.failures, polling.error) == (3, 1, "refused")
    assert polling.next_poll_at == datetime(2025, 6, 12, 14, 30, tzinfo=timezone.utc)
    assert polling.last_poll_at is None


def test_what_a_newer_service_adds_is_ignored(client, service):
    service.news = {"colour": "green"}
    service.report("job-1", "QUEUED", "COMPLETE")
    run = client.register("my-run", tasks=["job-1"])
    client.register_server("local", "http://127.0.0.1:8000")
    assert client.run(run.id).name == "my-run"
    assert client.task("default", "job-1").final
    assert client.states(["job-1"])[0].final
    assert [update.state for update in client.updates(run.id, follow=False)] == [
        "QUEUED",
        "COMPLETE",
    ]
    assert client.servers()[0].name == "local"


@pytest.mark.parametrize(
    ("text", "micros", "hours"),
    [
        ("2025-06-12T14:30:00Z", 0, 0),
        ("2025-06-12t14:30:00.1z", 100000, 0),
        ("2025-06-12T14:30:00.123456789+02:00", 123456, 2),
    ],
)
def test_times_are_read_however_precise_they_are(text, micros, hours):
    item = {"server": "s", "task_id": "t", "seq": 1, "state": "RUNNING", "final": False}
    at = Update.from_json({**item, "at": text}).at
    assert at.utcoffset() == timedelta(hours=hours)
    assert at.replace(tzinfo=None) == datetime(2025, 6, 12, 14, 30, 0, micros)  # noqa: DTZ001 - its zone was looked at


def test_a_time_without_a_zone_is_none():
    item = {"server": "s", "task_id": "t", "seq": 1, "state": "RUNNING", "final": False}
    with pytest.raises(ValueError, match="offset"):
        Update.from_json({**item, "at": "2025-06-12T14:30:00"})


def test_the_environment_says_where_the_service_is(monkeypatch):
    assert CallbackClient().url == "http://127.0.0.1:8080"
    with FakeService(token="open-sesame") as service:
        monkeypatch.setenv("CALLBACK_SERVICE_URL", service.url + "/")
        monkeypatch.setenv("CALLBACK_API_TOKEN", "open-sesame\n")
        assert CallbackClient().url == service.url
        assert list(CallbackClient().runs()) == []


def test_a_netrc_file_does_not_replace_the_token(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with FakeService() as service:
        list(CallbackClient(service.url, "open-sesame").runs())
        list(CallbackClient(service.url).runs())
        shown = [asked.headers.get("authorization") for asked in service.exchanges]
    assert shown == ["Bearer open-sesame", None]


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://127.0.0.1", "http://"])
def test_only_http_and_https_lead_to_a_service(url):
    with pytest.raises(ValueError, match="http or https"):
        CallbackClient(url)


@pytest.mark.parametrize("token", ["a b", "a\nb", "ä"])
def test_what_cannot_be_a_token_is_refused_and_not_shown(token):
    with pytest.raises(ValueError, match="token") as refused:
        CallbackClient(token=token)
    assert token not in str(refused.value)


def test_a_service_may_live_under_a_path(service):
    service.answer_next(Answer(200, {"runs": []}))
    list(CallbackClient(service.url + "/callbacks/").runs())
    assert service.exchanges[-1].path == "/callbacks/v1/runs"
