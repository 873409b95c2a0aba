"""The gateway over HTTP: a TES client on one side, a simulated server on the other."""

import base64
import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from callback_service.tes_sim.faults import Faults
from tests.api.contract import check_answer
from tests.api.service import TOKENS, Service, app_of, environment
from tests.ports import free_port
from tests.services import embedded_database, mongo_uri_at
from tests.tes_sim.running import RunningServer, running_server

TASK = {"executors": [{"image": "alpine", "command": ["sleep", "9"]}], "tags": {"n": "1"}}
SCRIPT = "QUEUED 600, RUNNING 1, COMPLETE"
BASES = ["/ga4gh/tes/v1", "/v1", ""]
NOBODY = [
    {"Authorization": "Basic Tm9uZTpOb25l"},
    {"Authorization": "Basic Og=="},
    {"Authorization": "basic Og=="},
    {"Authorization": "Bearer"},
    {"Authorization": ""},
    {},
]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {encoded(f'{user}:{password}')}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Gateway:
    """The service in front of one server, which no other test has."""

    def __init__(self, service: Service, server: RunningServer, access: str) -> None:
        self.service = service
        self.server = server
        self.name = f"tes-{uuid.uuid4().hex[:8]}"
        self.base = f"/gateway/{self.name}"
        wanted = {"name": self.name, "url": server.url, "access": access}
        assert service.call("POST", "/v1/servers", wanted, token="admin").status_code == 201
        # A process remembers for a moment which servers there are.
        time.sleep(0.3)

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        return self.service.call(method, self.base + path, body, **more)

    def submit(self, body: Any = TASK, **more: Any) -> str:
        answer = self.call("POST", "/tasks", body, **more)
        assert answer.status_code == 200, answer.text
        task_id: str = answer.json["id"]
        return task_id

    @property
    def requests(self) -> int:
        return self.server.core.journal.total

    def fail(self, **faults: Any) -> None:
        self.server.fail(**faults)


@pytest.fixture
def make(service: Service) -> Iterator[Any]:
    stack = []

    def gateway(profile: str = "funnel", *, access: str = "token", **options: Any) -> Gateway:
        # Nothing moves while a test looks.
        running = running_server(profile, **{"script": SCRIPT, **options})
        stack.append(running)
        return Gateway(service, running.__enter__(), access)

    yield gateway
    for running in stack:
        running.__exit__(None, None, None)


@pytest.fixture
def gateway(make: Any) -> Gateway:
    made: Gateway = make()
    return made


def assert_problem(answer: TestResponse, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.json["status"] == status
    for word in words:
        assert word in answer.text


# ---- every base, every operation ----


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("profile", ["funnel", "tesk", "strict", "pr176"])
def test_every_base_is_a_whole_tes_server(make, base, profile):
    gateway = make(profile)
    created = gateway.call("POST", f"{base}/tasks", TASK)
    check_answer("CreateTask", created)
    task_id = created.json["id"]
    minimal = {"id": task_id, "state": "QUEUED"}
    for query in ("", "?view=MINIMAL"):
        found = gateway.call("GET", f"{base}/tasks/{task_id}{query}")
        assert found.json == minimal
        listed = gateway.call("GET", f"{base}/tasks{query}")
        assert listed.json == {"tasks": [minimal]}
    for view in ("BASIC", "FULL"):
        task = gateway.call("GET", f"{base}/tasks/{task_id}?view={view}").json
        assert task["executors"] == TASK["executors"]
        assert task["tags"] == TASK["tags"]
        assert gateway.call("GET", f"{base}/tasks?view={view}").json["tasks"][0]["id"] == task_id
    cancelled = gateway.call("POST", f"{base}/tasks/{task_id}:cancel")
    check_answer("CancelTask", cancelled)
    assert cancelled.status_code == 200
    info = gateway.call("GET", f"{base}/service-info")
    check_answer("GetServiceInfo", info)
    assert info.json["callback_supported"] is True


def test_the_oldest_clients_find_their_service_info(gateway):
    info = gateway.call("GET", "/v1/tasks/service-info")
    assert info.json.keys() == {"name", "doc", "storage"}


def test_py_tes_is_not_told_what_it_breaks_on(gateway):
    headers = {"Content-Type": "application/json"}
    info = gateway.call("GET", "/ga4gh/tes/v1/service-info", headers=headers)
    assert "callback_supported" not in info.json


def test_the_default_server_is_at_the_root(make, service):
    gateway = make(access="open")
    service.call("PATCH", f"/v1/servers/{gateway.name}", {"default": True}, token="admin")
    time.sleep(0.3)
    for base in BASES:
        task_id = service.call("POST", f"{base}/tasks", TASK, token=None).json["id"]
        found = service.call("GET", f"{base}/tasks/{task_id}", token=None)
        assert found.json == {"id": task_id, "state": "QUEUED"}
    assert service.call("GET", "/v1/tasks/service-info").json["doc"] == ""
    assert service.call("GET", "/service-info").json["id"] == "tes-sim.funnel"
    # These stay the service's own.
    assert service.call("GET", "/v1/service-info").json["type"]["artifact"] != "tes"
    known = service.call("GET", f"/v1/tasks/{gateway.name}/x/y")
    assert_problem(known, 404, "no task 'x/y'")


def test_a_server_that_is_not_registered_is_not_found(service):
    for path in (
        "/gateway/nobodys/tasks",
        "/gateway/NOBODYS/ga4gh/tes/v1/tasks",
        "/gateway//tasks",
    ):
        assert_problem(service.call("GET", path), 404)


def test_and_which_others_there_are_is_said_to_known_callers_only(gateway, service):
    path = "/gateway/nobodys/tasks"
    for caller in (bearer(TOKENS["read"]), basic("me", TOKENS["read"])):
        assert_problem(service.call("GET", path, token=None, headers=caller), 404, gateway.name)
    for stranger in (*NOBODY, bearer("cbs_wrong"), bearer("a.b.c"), basic("x", "y")):
        answer = service.call("GET", path, token=None, headers=stranger)
        assert_problem(answer, 404, "no server 'nobodys' is registered")
        assert gateway.name not in answer.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_what_tes_does_not_have_is_not_there(gateway, method):
    assert_problem(gateway.call(method, "/tasks/a"), 405)
    assert_problem(gateway.call("GET", "/tasks/"), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/tasks/..",
        "/tasks/%2e%2e",
        "/tasks/%2e%2e%2f%2e%2e%2fservice-info",
        "/tasks/../service-info",
        "/tasks/..%5c..%5cservice-info",
        "/tasks/..;/service-info",
        "/tasks/%0d%0aHost:%20evil",
        "/tasks/" + "x" * 600,
    ],
)
def test_no_id_leads_to_another_path_of_the_server(gateway, path):
    assert_problem(gateway.call("GET", path), 404)
    assert_problem(gateway.call("POST", f"{path}:cancel"), 404)
    assert gateway.requests == 0


def test_an_id_with_odd_characters_is_asked_for_as_it_is(gateway):
    answer = gateway.call("GET", "/tasks/a%2Fb%3Fview=FULL%23c%20%C3%A4%25")
    assert answer.status_code == 404
    assert "a/b?view=FULL#c \u00e4%" in answer.json["error"]


def test_a_query_is_the_servers(gateway):
    gateway.submit()
    asked = gateway.call(
        "GET", "/tasks?page_size=1&tag_key=a&tag_key=b,c&odd=%26%20x&empty=&view=MINIMAL"
    )
    assert asked.status_code == 200
    query = dict(gateway.server.core.journal.requests[-1].query)
    assert query["odd"] == "& x"
    assert query["tag_key"] == "b,c"


def test_what_a_query_may_not_hold_the_server_says(make):
    gateway = make("strict")
    assert gateway.call("GET", "/tasks?page_size=many").status_code == 400
    assert gateway.call("GET", "/tasks?page_size=%0d%0aX:%20y").status_code == 400


# ---- bodies ----


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is missing"),
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'"task"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"name": NaN}', "NaN"),
        (b'{"name": "\xff"}', "UTF-8"),
        (b'{"name": "\\ud800"}', "surrogate"),
        (b'{"tags": {}, "tags": {}}', "stands there twice"),
        (b'{"deep": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"number": ' + b"9" * 5_000 + b"}", "too many digits"),
        (b'{"callback_url": 7}', "must be a string"),
        (b'{"callback_url": "nowhere"}', "http"),
        (b'{"callback_url": "http://169.254.169.254/"}', "link-local"),
        (b'{"callback_url": "http://a.example/\\r\\nX: y"}', "printable"),
    ],
    ids=range(15),
)
def test_what_cannot_be_a_task_is_refused_here(gateway, body, words):
    answer = gateway.call("POST", "/tasks", data=body, content_type="application/json")
    assert_problem(answer, 400, words)
    assert gateway.requests == 0


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
def test_a_page_of_another_site_cannot_submit(gateway, kind):
    """Browsers ask before they send JSON to another site, and nothing else is taken."""
    answer = gateway.call("POST", "/tasks", data=json.dumps(TASK), content_type=kind)
    assert_problem(answer, 415, "-H 'Content-Type: application/json'")
    assert gateway.requests == 0


@pytest.mark.parametrize("mark", [{"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}], ids=str)
@pytest.mark.parametrize("kind", [None, "", " "])
def test_not_even_one_that_gives_its_body_no_type(gateway, mark, kind):
    """As `fetch` does with a Blob that has none."""
    answer = gateway.call("POST", "/tasks", data=json.dumps(TASK), content_type=kind, headers=mark)
    assert_problem(answer, 415)
    assert gateway.requests == 0


def test_a_charset_behind_the_type_is_no_other_type(gateway):
    """Nextflow's client writes one."""
    gateway.submit(None, data=json.dumps(TASK), content_type="application/json; charset=utf-8")


def test_who_forgot_the_type_and_is_no_browser_is_understood(gateway):
    gateway.submit(None, data=json.dumps(TASK))
    assert_problem(gateway.call("POST", "/tasks", data="{"), 400, "not valid JSON")
    assert_problem(gateway.call("POST", "/tasks"), 400, "is missing")


def test_whatever_else_is_wrong_the_server_says(gateway):
    answer = gateway.call("POST", "/tasks", {"executors": [], "odd": 1})
    assert answer.status_code == 400
    assert answer.mimetype == "application/json"
    assert answer.json.keys() == {"error", "message"}


def test_a_task_may_be_long(gateway):
    content = "x" * 2_000_000
    inputs = [{"path": "/a", "content": content}]
    task_id = gateway.submit({**TASK, "inputs": inputs})
    task = gateway.call("GET", f"/tasks/{task_id}?view=FULL").json
    assert task["inputs"] == inputs


def test_but_not_endless(gateway):
    body = b'{"name": "' + b"x" * (16 * 2**20) + b'"}'
    answer = gateway.call("POST", "/tasks", data=body, content_type="application/json")
    assert_problem(answer, 413)
    for path in ("/tasks/a:cancel", "/v1/tasks/a:cancel"):
        answer = gateway.call("POST", path, data=body, content_type="application/json")
        assert_problem(answer, 413)
    assert gateway.requests == 0


def test_numbers_reach_the_server_as_they_were_written(gateway):
    body = json.dumps(TASK)[:-1] + ', "resources": {"ram_gb": 4E0, "disk_gb": 0.10}}'
    gateway.submit(None, data=body, content_type="application/json")
    (task,) = gateway.server.core.tasks()
    assert task.body["resources"] == {"ram_gb": 4.0, "disk_gb": 0.1}


# ---- who may use it ----


@pytest.mark.parametrize(
    "headers", [*NOBODY, bearer("cbs_wrong"), basic("x", "cbs_wrong")], ids=str
)
def test_where_tokens_are_asked_for_nobody_comes_in_without(gateway, headers):
    for method, path in (("GET", "/tasks"), ("GET", "/tasks/a"), ("POST", "/tasks/a:cancel")):
        answer = gateway.call(method, path, token=None, headers=headers)
        assert_problem(answer, 401, "Authorization: Bearer TOKEN")
    assert_problem(gateway.call("POST", "/tasks", TASK, token=None, headers=headers), 401)
    assert gateway.requests == 0


def test_but_everybody_may_ask_what_the_server_is(gateway):
    assert gateway.call("GET", "/service-info", token=None).status_code == 200


def test_a_token_to_read_does_not_submit(gateway):
    task_id = gateway.submit()
    assert gateway.call("GET", f"/tasks/{task_id}", token="read").status_code == 200
    assert_problem(gateway.call("POST", "/tasks", TASK, token="read"), 403, "role user")
    assert_problem(gateway.call("POST", f"/tasks/{task_id}:cancel", token="read"), 403)


def test_a_token_of_ours_is_shown_to_no_server(make):
    """The server takes whoever shows it; it is shown nothing."""
    for access in ("token", "open"):
        gateway = make(access=access, token=TOKENS["user"])
        assert_problem(gateway.call("POST", "/tasks", TASK), 502, "an operator must set")


def test_a_token_may_come_as_a_password(gateway):
    answer = gateway.call("POST", "/tasks", TASK, token=None, headers=basic("me", TOKENS["user"]))
    assert answer.status_code == 200


def test_tasks_are_the_owners(gateway, service):
    run = service.register({"server": gateway.name})
    task_id = gateway.submit(headers={"X-Run-Id": run["id"]})
    gateway.call("GET", f"/tasks/{task_id}")
    path = f"/v1/tasks/{gateway.name}/{task_id}"
    assert service.call("GET", path).json["runs"] == [run["id"]]
    assert service.call("GET", path, token="other").status_code == 404
    theirs = {"X-Run-Id": run["id"]}
    assert_problem(
        gateway.call("POST", "/tasks", TASK, token="other", headers=theirs), 404, "no run"
    )


@pytest.mark.parametrize("headers", [*NOBODY, bearer("anything"), basic("any", "thing")], ids=str)
def test_an_open_server_is_everybodys(make, headers):
    gateway = make(access="open")
    task_id = gateway.submit(token=None, headers=headers)
    found = gateway.call("GET", f"/tasks/{task_id}", token=None, headers=headers)
    assert found.json["state"] == "QUEUED"


def test_at_an_open_server_a_token_names_the_owner_of_a_run(make, service):
    gateway = make(access="open")
    run = service.register({"server": gateway.name})
    headers = {"X-Run-Id": run["id"]}
    assert gateway.call("POST", "/tasks", TASK, headers=headers).status_code == 200
    assert_problem(gateway.call("POST", "/tasks", TASK, headers=headers, token=None), 404)


def test_credentials_of_the_callers_own_are_the_servers_business(make):
    gateway = make(access="pass", basic="me:secret")
    mine, wrong = basic("me", "secret"), basic("me", "guessed")
    task_id = gateway.submit(token=None, headers=mine)
    assert gateway.call("GET", f"/tasks/{task_id}", token=None, headers=mine).status_code == 200
    for headers in (wrong, *NOBODY):
        refused = gateway.call("GET", f"/tasks/{task_id}", token=None, headers=headers)
        assert refused.status_code == 401
        assert refused.mimetype == "application/json"


@pytest.mark.parametrize(
    "headers",
    [
        bearer(TOKENS["user"]),
        {"Authorization": f"Token {TOKENS['read']}"},
        basic("me", TOKENS["user"]),
        basic(TOKENS["other"], ""),
        basic("me", f"in {TOKENS['other']} it"),
        bearer("cbs_of-another-installation"),
        {"Authorization": f'Digest username="{TOKENS["user"]}", realm="a", nonce="b"'},
        {"Authorization": f"Digest username={TOKENS['user']},realm=a"},
        {"Authorization": f"Custom key:{TOKENS['user']}"},
        {"Authorization": f"Custom a={encoded(TOKENS['user'])}, b=c"},
        {"Authorization": f'Custom a="{encoded("me:" + TOKENS["user"])}"'},
    ],
    ids=range(11),
)
def test_a_token_of_ours_is_not_passed_on(make, headers):
    gateway = make(access="pass", token=TOKENS["user"])
    answer = gateway.call("POST", "/tasks", TASK, token=None, headers=headers)
    assert_problem(answer, 403, "a token of this service")
    assert gateway.requests == 0


@pytest.mark.parametrize(
    "headers",
    [
        bearer("eyJh.abcs_xYzcbs_9-cbs_0.c2ln"),
        {"Authorization": 'Digest username="me", realm="cbs", uri="/tasks?cbs=1"'},
    ],
    ids=range(2),
)
def test_what_only_has_its_letters_is(make, headers):
    """Random tokens do, now and then."""
    gateway = make(access="pass")
    assert gateway.call("POST", "/tasks", TASK, token=None, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer theirs,Bearer {TOKENS['user']}",
        f"Bearer theirs {TOKENS['user']}",
        f"{basic('me', 'secret')['Authorization']},Bearer {TOKENS['user']}",
    ],
    ids=range(3),
)
def test_nor_is_one_that_stands_behind_another_as_of_two_headers(make, header):
    gateway = make(access="pass", token="theirs")
    headers = {"Authorization": header}
    answer = gateway.call("POST", "/tasks", TASK, token=None, headers=headers)
    assert_problem(answer, 400, "must show one token")
    assert gateway.requests == 0


def test_credentials_are_in_no_document_and_in_no_log(make, service, caplog):
    caplog.set_level(logging.DEBUG)
    gateway = make(access="pass", token="the-callers-secret")
    headers = bearer("the-callers-secret")
    task_id = gateway.submit(
        {**TASK, "callback_url": "https://a.example/c"}, token=None, headers=headers
    )
    gateway.call("GET", f"/tasks/{task_id}", token=None, headers=headers)
    gateway.call("GET", "/tasks", token=None, headers=bearer("the-wrong-secret"))
    gateway.fail(answer="error", on="CreateTask", times=1)
    gateway.call("POST", "/tasks", TASK, token=None, headers=headers)
    written = repr(service.stored()) + repr([vars(record) for record in caplog.records])
    assert task_id in written
    for secret in ("the-callers-secret", "the-wrong-secret"):
        assert secret not in written
        assert base64.b64encode(secret.encode()).decode() not in written


# ---- callbacks, waits, repeats ----


def test_callback_urls_are_told_and_never_shown(gateway, service):
    url = "https://listener.example.org/secret-of-the-client"
    answer = gateway.call("POST", "/tasks", {**TASK, "callback_url": url})
    assert answer.headers["X-Callback-Registered"] == "true"
    task_id = answer.json["id"]
    for path in (f"/tasks/{task_id}?view=FULL", "/tasks?view=FULL"):
        assert "secret-of-the-client" not in gateway.call("GET", path).text
    (task,) = gateway.server.core.tasks()
    assert "callback_url" not in task.body
    runs = service.call("GET", "/v1/runs?page_size=100").json["runs"]
    (run,) = [run for run in runs if run["server"] == gateway.name]
    assert (run["sink"]["url"], run["sink"]["format"]) == (url, "tes")


def test_a_wait_ends_with_a_callback(gateway, service):
    run = service.register({"server": gateway.name})
    task_id = gateway.submit(headers={"X-Run-Id": run["id"]})
    gateway.call("GET", f"/tasks/{task_id}")
    calling = threading.Timer(0.2, service.call_back, (run, task_id, "COMPLETE"))
    calling.start()
    begun = time.monotonic()
    answer = gateway.call("GET", f"/tasks/{task_id}", headers={"Prefer": "wait=20"})
    assert time.monotonic() - begun < 5
    calling.join()
    assert answer.json["state"] == "COMPLETE"
    assert answer.headers["Preference-Applied"] == "wait=20"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"answer": "error"}, 500),
        ({"answer": "lost"}, 502),
        ({"answer": "truncated"}, 502),
        ({"answer": "html"}, 502),
        ({"answer": "redirect"}, 502),
    ],
    ids=str,
)
def test_a_failed_submission_is_not_repeated_on_the_next_path(gateway, fault, status):
    gateway.fail(**fault, on="CreateTask", times=1)
    answers = [gateway.call("POST", f"{base}/tasks", TASK) for base in BASES]
    assert [answer.status_code for answer in answers] == [status] * 3
    # What was asked besides only looked for the server's base.
    assert gateway.server.counts["CreateTask"] == 1
    assert len({answer.data for answer in answers}) == 1
    # The next one is meant.
    assert gateway.call("POST", f"{BASES[0]}/tasks", TASK).status_code == 200


# ---- servers that fail ----


def test_a_server_that_is_down_is_said_to_be(gateway):
    task_id = gateway.submit()
    gateway.server.restart(60)
    for path in ("/tasks", f"/tasks/{task_id}?view=FULL", "/service-info"):
        assert_problem(gateway.call("GET", path), 502, gateway.name)


def test_a_server_that_is_slow_holds_nobody_for_longer_than_the_deadline(
    mongo_uri: str, tmp_path: Path, mongo_database: Any
) -> None:
    (tmp_path / "slow.yaml").write_text("custom: {gateway: {timeout: 0.5}}")
    variables = environment(mongo_uri, mongo_database.name, tmp_path)
    own = Service(app_of({**variables, "CALLBACK_CONFIG": str(tmp_path / "slow.yaml")}))
    with running_server() as slow, running_server() as quick:
        late, well = Gateway(own, slow, "open"), Gateway(own, quick, "open")
        task_id = late.submit()
        late.fail(delay=5)
        begun = time.monotonic()
        assert_problem(late.call("GET", f"/tasks/{task_id}?view=FULL"), 504)
        assert time.monotonic() - begun < 2
        assert well.call("GET", "/tasks").status_code == 200


@pytest.mark.parametrize("answer", ["endless", "html", "truncated", "wrong_shape", "hang_up"])
def test_rubbish_is_a_problem(gateway, answer):
    task_id = gateway.submit()
    gateway.fail(answer=answer)
    for path in ("/tasks", f"/tasks/{task_id}", f"/tasks/{task_id}?view=FULL"):
        assert_problem(gateway.call("GET", path), 502)


def test_each_question_has_one_line_in_the_log(gateway, caplog):
    caplog.set_level(logging.INFO)
    task_id = gateway.submit()
    gateway.call("GET", f"/tasks/{task_id}?view=BASIC&secret=x")
    for _ in range(3):
        gateway.call("GET", f"/tasks/{task_id}")
    lines = [one.fields for one in caplog.records if one.message == "gateway.forwarded"]
    assert [(one["method"], one["path"], one["status"]) for one in lines] == [
        ("POST", "/tasks", 200),
        ("GET", f"/tasks/{task_id}", 200),
    ]
    assert lines[0].keys() == {"server", "method", "path", "status", "latency_ms"}


def test_an_answer_that_did_not_come_is_out_of_the_ordinary(gateway, caplog):
    task_id = gateway.submit()
    gateway.server.restart(60)
    caplog.set_level(logging.WARNING)
    gateway.call("GET", f"/tasks/{task_id}?view=FULL")
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert [one.message for one in warnings] == ["gateway.forwarded"]
    assert gateway.name in warnings[0].fields["error"]


# ---- without a database ----


def test_without_a_database_tasks_are_submitted_and_read(tmp_path: Path) -> None:
    port, storage = free_port(), tmp_path / "database"
    storage.mkdir()
    variables = environment(mongo_uri_at(port), f"test_{uuid.uuid4().hex[:12]}", tmp_path)
    service = Service(app_of(variables))
    with running_server(faults=Faults()) as server:
        with embedded_database(storage, port):
            gateway = Gateway(service, server, "open")
            before = gateway.submit()
        begun = time.monotonic()
        answer = gateway.call("POST", "/tasks", {**TASK, "callback_url": "https://a.example/c"})
        assert time.monotonic() - begun < 8
        assert answer.headers["X-Callback-Registered"] == "false"
        assert len(server.states()) == 2
        for task_id in (before, answer.json["id"]):
            found = gateway.call("GET", f"/tasks/{task_id}")
            assert found.status_code == 200
            assert found.json["id"] == task_id
        assert len(gateway.call("GET", "/tasks").json["tasks"]) == 2
        server.fail(answer="error", on="CreateTask", times=1)
        answers = [gateway.call("POST", f"{base}/tasks", TASK) for base in BASES]
        assert [one.status_code for one in answers] == [500] * 3
        assert len(server.states()) == 2
