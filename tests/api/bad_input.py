"""What callers must not send: a row is one request that is spoilt in one way, and its answer.

`GOOD` has a request for every operation that would be taken. `OWN` has the rows
of each operation; the rows that follow from the contract itself (every operation
has a method, those with a body have one that can be broken) are made below.
"""

# ruff: noqa: E501  a row of a table is one line

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from werkzeug.test import TestResponse

from callback_service.domain.states import State
from tests.api.contract import OPERATIONS, Operation, methods_of
from tests.api.service import JSON, Service

STATES = ", ".join(State)
KILOBYTES_300 = 300_000
ENDLESS = "x" * 513
HUGE = 10**400
CONTROL = ("\x00", "a\nb", "a\x7f", "a\x85b", "job\n")
# Placeholders of paths, filled in from what the tests have stored.
PLACES = {
    "run_id": "{run}",
    "server": "default",
    "task_id": "job-1",
    "token": "{token}",
    "id": "job-1",
}


@dataclass(frozen=True)
class Row:
    what: str
    status: int
    at: str | None = None
    """The field that `errors` must name."""
    says: str = ""
    """What its reason must contain; without a field, the detail."""
    body: Any = None
    raw: bytes | None = None
    query: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str | None = "user"
    method: str | None = None


@dataclass(frozen=True)
class Good:
    body: Any = None
    token: str | None = "user"
    role: str = "read"
    """What a token must at least be good for."""
    places: Mapping[str, str] = field(default_factory=dict)
    sink: Mapping[str, Any] = field(default_factory=lambda: HTTP)
    """That of the run, whose one task has ended or not."""
    state: str = "QUEUED"


HTTP = {"type": "http", "url": "http://127.0.0.1:9/"}
CWL_WES = {"type": "cwl-wes", "target": "cwl", "wes_run_id": "A1B2C3"}
WES = {"type": "wes", "url": "http://127.0.0.1:9/ga4gh/wes/v1", "wes_run_id": "A1B2C3"}
TASKS = {"tasks": [{"id": "job-1"}]}
TASK = {"executors": [{"image": "alpine", "command": ["true"]}]}
GOOD: dict[str, Good] = {
    "receive_callback": Good({"id": "job-1", "state": "RUNNING"}, token=None),
    "register_run": Good({"name": "a run"}, role="user"),
    "list_runs": Good(),
    "get_run": Good(),
    "change_run": Good({"name": "another"}, role="user"),
    "delete_run": Good(role="user"),
    "pause_run": Good(role="user"),
    "resume_run": Good(role="user"),
    "redeliver_run": Good({}, role="user"),
    "rotate_run": Good({"overlap": 60}, role="user"),
    "list_stuck_runs": Good(token="admin", role="admin"),
    "fail_run": Good({"reason": "killed"}, token="admin", role="admin", sink=WES, state="COMPLETE"),
    "list_run_tasks": Good(),
    "add_run_tasks": Good(TASKS, role="user"),
    "list_run_deliveries": Good(),
    "list_run_updates": Good(),
    "get_task": Good(),
    "list_states": Good(TASKS),
    "list_servers": Good(),
    "register_server": Good(
        {"name": "default", "url": "http://127.0.0.1:8000"}, token="admin", role="admin"
    ),
    "get_server": Good(),
    "change_server": Good({"calls_back": "no"}, token="admin", role="admin"),
    "delete_server": Good(token="admin", role="admin"),
    "get_service_info": Good(token=None),
    "healthz": Good(token=None),
    "readyz": Good(token=None),
    "GetServiceInfo": Good(token=None),
    "ListTasks": Good(token=None),
    "CreateTask": Good(TASK, token=None),
    "GetTask": Good(token=None),
    "CancelTask": Good(token=None),
}


def without(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def token_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def wrong_text(at: str, *bodies: Any, status: int = 400) -> Iterator[Row]:
    for body, sample in zip(bodies, CONTROL, strict=True):
        yield Row(f"{at} has {sample!r}", status, at, "control characters", body=body)


def pages(*, also: tuple[Row, ...] = ()) -> tuple[Row, ...]:
    return (
        Row("page_size is 0", 400, "page_size", "at least 1", query="page_size=0"),
        Row("page_size is -1", 400, "page_size", "at least 1", query="page_size=-1"),
        Row("page_size is 1001", 400, "page_size", "at most 1000", query="page_size=1001"),
        Row("page_size is a word", 400, "page_size", "type integer", query="page_size=many"),
        Row("page_size is 1.5", 400, "page_size", "type integer", query="page_size=1.5"),
        Row("page_size is 1_0", 400, "page_size", "type integer", query="page_size=1_0"),
        Row("page_size is empty", 400, "page_size", "type integer", query="page_size="),
        Row("page_size is huge", 400, "page_size", query=f"page_size={'9' * 5000}"),
        Row("page_token is no token", 400, "page_token", "page token", query="page_token=%25!"),
        Row("page_token is no text", 400, "page_token", "page token", query="page_token=_w"),
        Row("page_token is not UTF-8", 400, "page_token", "page token", query="page_token=%ff"),
        Row("page_token is endless", 400, "page_token", "8192", query=f"page_token={'A' * 8193}"),
        *also,
    )


WAITS = (
    Row("wait is -1", 400, "wait", "at least 0", query="wait=-1"),
    Row("wait is 61", 400, "wait", "at most 60", query="wait=61"),
    Row("wait is nan", 400, "wait", "type number", query="wait=nan"),
    Row("wait is inf", 400, "wait", "type number", query="wait=inf"),
    Row("wait is 1e3", 400, "wait", "type number", query="wait=1e3"),
    Row("wait is a word", 400, "wait", "type number", query="wait=long"),
    Row("wait is empty", 400, "wait", "type number", query="wait="),
    Row("wait has 400 digits", 400, "wait", "at most 60", query=f"wait={'9' * 400}"),
)


def task_rows(*, with_server: bool = True) -> tuple[Row, ...]:
    def tasks(*refs: Any) -> dict[str, Any]:
        return {"tasks": list(refs)}

    where = "tasks.0.id"
    return (
        Row("tasks is no list", 400, "tasks", "type array", body={"tasks": "job-1"}),
        Row("1,001 tasks", 400, "tasks", "1000", body=tasks(*({"id": "x"} for _ in range(1001)))),
        Row("a task is a string", 400, "tasks.0", "type object", body=tasks("job-1")),
        Row("a task has no id", 400, where, "is missing", body=tasks({})),
        Row("an id is a number", 400, where, "type string", body=tasks({"id": 5})),
        Row("an id is null", 400, where, "type string", body=tasks({"id": None})),
        Row("an id is empty", 400, where, "not be empty", body=tasks({"id": ""})),
        Row("an id is endless", 400, where, "512", body=tasks({"id": ENDLESS})),
        *wrong_text(where, *(tasks({"id": text}) for text in CONTROL)),
        Row("the second id is bad", 400, "tasks.1.id", body=tasks({"id": "a"}, {"id": ""})),
        Row("a task's misspelt field", 400, "tasks.0", "no field sever", body=tasks({"id": "a", "sever": "b"})),
        *(
            (
                Row("an unknown server", 400, "tasks.0.server", "default", body=tasks({"id": "a", "server": "nowhere"})),
                Row("a server that is no name", 400, "tasks.0.server", body=tasks({"id": "a", "server": "No Where"})),
                Row("a server without name", 400, "tasks.0.server", "empty", body=tasks({"id": "a", "server": ""})),
            )
            if with_server
            else ()
        ),
    )  # fmt: skip


def http(url: Any = "http://example.org/", **more: Any) -> dict[str, Any]:
    return {"sink": {"type": "http", "url": url, **more}}


SINK_URLS = {
    "ftp://example.org/": "http or https",
    "file:///etc/passwd": "http or https",
    "javascript:alert(1)": "http or https",
    "gopher://127.0.0.1:11211/_stats": "http or https",
    "//example.org/": "http or https",
    "example.org": "http or https",
    "": "http or https",
    "http://": "name a host",
    "http:///path": "name a host",
    "http://.../": "name a host",
    "http://-example.org/": "name a host",
    f"http://{'a' * 64}.example.org/": "name a host",
    "http://%31%32%37.0.0.1/": "name a host",
    "http://example.org\\@127.0.0.1/": "user info",
    "http://example.org/a\\b": "name a host",
    "http://[::1": "not a URL",
    "http://user@example.org/": "user info",
    "http://user:secret@example.org/": "user info",
    "http://@example.org/": "user info",
    "http://example.org:0/": "port",
    "http://example.org:65536/": "not a URL",
    "http://example.org:-1/": "not a URL",
    "http://example.org:http/": "not a URL",
    "http://exa mple.org/": "printable ASCII",
    "http://example.org/\r\nX-Forged: yes": "printable ASCII",
    "http://example.org/\x00": "printable ASCII",
    "http://ex\u00e4mple.org/": "printable ASCII",
    "http://\uff11\uff12\uff17.0.0.1/": "printable ASCII",
    f"http://example.org/{'a' * 2048}": "2048",
    # Link-local and metadata addresses, where loopback is allowed as well.
    "http://169.254.169.254/latest/meta-data/": "never allowed",
    "http://169.254.1.1/": "never allowed",
    "http://2852039166/": "never allowed",
    "http://0xa9fea9fe/": "never allowed",
    "http://0251.0376.0251.0376/": "never allowed",
    "http://169.254.43518/": "never allowed",
    "http://[::ffff:169.254.169.254]/": "never allowed",
    "http://[::ffff:a9fe:a9fe]/": "never allowed",
    "http://[64:ff9b::a9fe:a9fe]/": "never allowed",
    "http://[fe80::1]/": "never allowed",
    "http://[fe80::1%25eth0]/": "never allowed",
    "http://[fd00:ec2::254]/": "never allowed",
    "http://100.100.100.200/": "never allowed",
    "http://168.63.129.16/": "never allowed",
    # Private ranges that nobody allowed.
    "http://10.0.0.1/": "egress.allow",
    "http://192.168.1.1:8080/": "egress.allow",
    "http://172.16.0.1/": "egress.allow",
    "http://167772161/": "egress.allow",
    "http://0x0a000001/": "egress.allow",
    "http://10.1/": "egress.allow",
    "http://012.0.0.1/": "egress.allow",
    "http://[::ffff:10.0.0.1]/": "egress.allow",
    "http://[::1]/": "egress.allow",
    "http://[fc00::1]/": "egress.allow",
    "http://[2002:a00:1::]/": "egress.allow",
    "http://0.0.0.0/": "not the address",
    "http://0/": "not the address",
    "http://[::]/": "not the address",
    "http://224.0.0.1/": "not the address",
}
RESERVED_HEADERS = (
    "Host", "hOsT", "Content-Type", "content-length", "Content-Encoding", "Webhook-Id",
    "webhook-signature", "Webhook-Timestamp", "Transfer-Encoding", "Connection", "Keep-Alive",
    "Upgrade", "TE", "Trailer", "Expect", "Via", "Forwarded", "X-Forwarded-For", "User-Agent",
    "Proxy-Authorization", "Proxy-Connection",
)  # fmt: skip
HEADERS = {
    "a header has a line break in its name": ({"X-A\r\nX-B": "v"}, "sink.headers"),
    "a header has a colon in its name": ({"X-A: v\r\nX-B": "v"}, "sink.headers"),
    "a header begins with a space": ({" X-A": "v"}, "sink.headers"),
    "a header has no name": ({"": "v"}, "sink.headers"),
    "a header's name is endless": ({"X" * 129: "v"}, "sink.headers"),
    "a header's name is not ASCII": ({"X-\u00e4": "v"}, "sink.headers"),
    "a header's value has a line break": ({"X-A": "v\r\nX-B: w"}, "sink.headers.X-A"),
    "a header's value has a line feed": ({"X-A": "v\nw"}, "sink.headers.X-A"),
    "a header's value has a NUL": ({"X-A": "v\x00"}, "sink.headers.X-A"),
    "a header's value is not ASCII": ({"X-A": "\u00e4"}, "sink.headers.X-A"),
    "a header's value is endless": ({"X-A": "v" * 4097}, "sink.headers.X-A"),
    "a header's value is a number": ({"X-A": 5}, "sink.headers.X-A"),
    "a header's value is null": ({"X-A": None}, "sink.headers.X-A"),
    "a header's value is a list": ({"X-A": ["v", "w"]}, "sink.headers.X-A"),
    "a header comes twice": ({"X-A": "v", "x-a": "w"}, "sink.headers"),
    "21 headers": ({f"X-{number}": "v" for number in range(21)}, "sink.headers"),
    "headers are a list": (["X-A: v"], "sink.headers"),
}  # fmt: skip

# What registering and changing a run have in common.
ABOUT_RUNS = (
    Row("name is a number", 400, "name", "type string", body={"name": 5}),
    Row("name is null", 400, "name", "type string", body={"name": None}),
    Row("name is endless", 400, "name", "256", body={"name": "x" * 257}),
    *wrong_text("name", *({"name": text} for text in CONTROL)),
    Row("tags are a list", 400, "tags", "type object", body={"tags": ["a"]}),
    Row("a tag is a number", 400, "tags.a", "type string", body={"tags": {"a": 5}}),
    Row("a tag is an object", 400, "tags.a", "type string", body={"tags": {"a": {"$gt": ""}}}),
    Row("a tag is endless", 400, "tags.a", "256", body={"tags": {"a": "x" * 257}}),
    Row("a tag has a NUL", 400, "tags.a", "control", body={"tags": {"a": "\x00"}}),
    Row("a tag's key is empty", 400, "tags", "1 to 128", body={"tags": {"": "a"}}),
    Row("a tag's key is endless", 400, "tags", "1 to 128", body={"tags": {"x" * 129: "a"}}),
    Row("a tag's key has a NUL", 400, "tags", "printable", body={"tags": {"a\x00b": "a"}}),
    Row("65 tags", 400, "tags", "64", body={"tags": {str(n): "" for n in range(65)}}),
    Row("sink is a string", 400, "sink", "type object", body={"sink": "none"}),
    Row("sink is null", 400, "sink", "type object", body={"sink": None}),
    Row("sink has no type", 400, "sink.type", "is missing", body={"sink": {}}),
    Row("sink of another type", 400, "sink.type", "http, wes, cwl-wes, none", body={"sink": {"type": "ftp"}}),
    Row("sink http without url", 400, "sink.url", "is missing", body={"sink": {"type": "http"}}),
    Row("sink none with url", 400, "sink.url", "type http", body={"sink": {"type": "none", "url": "http://example.org"}}),
    Row("sink none with target", 400, "sink.target", "type cwl-wes", body={"sink": {"type": "none", "target": "cwl"}}),
    Row("sink cwl-wes with url", 400, "sink.url", "type http", body={"sink": CWL_WES | {"url": "http://example.org"}}),
    Row("sink cwl-wes without target", 400, "sink.target", "is missing", body={"sink": {"type": "cwl-wes", "wes_run_id": "A1B2C3"}}),
    Row("sink cwl-wes without run", 400, "sink.wes_run_id", "is missing", body={"sink": {"type": "cwl-wes", "target": "cwl"}}),
    Row("sink wes without url", 400, "sink.url", "is missing", body={"sink": {"type": "wes", "wes_run_id": "A1B2C3"}}),
    Row("sink wes without run", 400, "sink.wes_run_id", "is missing", body={"sink": {"type": "wes", "url": "http://127.0.0.1:9/"}}),
    Row("sink wes with a format", 400, "sink.format", "type http", body={"sink": WES | {"format": "tes"}}),
    Row("sink wes with a target", 400, "sink.target", "type cwl-wes", body={"sink": WES | {"target": "cwl"}}),
    Row("sink wes with a query", 400, "sink.url", "without a query", body={"sink": WES | {"url": "http://127.0.0.1:9/?a=b"}}),
    Row("sink wes at another scheme", 400, "sink.url", "http or https", body={"sink": WES | {"url": "ftp://127.0.0.1:9/"}}),
    Row("sink wes with our headers", 400, "sink.headers.Host", "reserved", body={"sink": WES | {"headers": {"Host": "x"}}}),
    Row("sink.target is unknown", 400, "sink.target", "there is cwl", body={"sink": CWL_WES | {"target": "other"}}),
    Row("sink.target is an address", 400, "sink.target", "not allowed", body={"sink": CWL_WES | {"target": "mongodb://db/"}}),
    Row("sink.target is an object", 400, "sink.target", "type string", body={"sink": CWL_WES | {"target": {"$ne": ""}}}),
    Row("sink.wes_run_id is an object", 400, "sink.wes_run_id", "type string", body={"sink": CWL_WES | {"wes_run_id": {"$ne": ""}}}),
    Row("sink.wes_run_id is empty", 400, "sink.wes_run_id", "not be empty", body={"sink": CWL_WES | {"wes_run_id": ""}}),
    Row("sink.wes_run_id has a line break", 400, "sink.wes_run_id", "not allowed", body={"sink": CWL_WES | {"wes_run_id": "A1\n"}}),
    Row("sink with a misspelt field", 400, "sink", "no field urll", body={"sink": {"type": "http", "urll": "http://example.org"}}),
    Row("sink.url is a number", 400, "sink.url", "type string", body=http(5)),
    Row("sink.format is unknown", 400, "sink.format", "batch, tes, cloudevents", body=http(format="xml")),
    *(
        Row(f"sink.url is {url[:60]!r}", 400, "sink.url", says, body=http(url))
        for url, says in SINK_URLS.items()
    ),
    *(
        Row(f"header {name} is reserved", 400, f"sink.headers.{name}", "reserved", body=http(headers={name: "v"}))
        for name in RESERVED_HEADERS
    ),
    *(
        Row(what, 400, at, body=http(headers=headers))
        for what, (headers, at) in HEADERS.items()
    ),
    Row("expires_in is too short", 400, "expires_in", "at least 60", body={"expires_in": 59}),
    Row("expires_in is too long", 400, "expires_in", "31536000", body={"expires_in": 31_536_001}),
    Row("expires_in is huge", 400, "expires_in", "31536000", body={"expires_in": HUGE}),
    Row("expires_in is negative", 400, "expires_in", "at least", body={"expires_in": -HUGE}),
    Row("expires_in is a string", 400, "expires_in", "type integer", body={"expires_in": "60"}),
    Row("expires_in is a fraction", 400, "expires_in", "type integer", body={"expires_in": 60.5}),
    Row("expires_in is true", 400, "expires_in", "type integer", body={"expires_in": True}),
    Row("retry_schedule is a number", 400, "retry_schedule", "array", body={"retry_schedule": 5}),
    Row("retry_schedule is empty", 400, "retry_schedule", "empty", body={"retry_schedule": []}),
    Row("21 attempts", 400, "retry_schedule", "20", body={"retry_schedule": [0] * 21}),
    Row("a negative delay", 400, "retry_schedule.1", "at least 0", body={"retry_schedule": [0, -1]}),
    Row("a delay over a week", 400, "retry_schedule.0", "604800", body={"retry_schedule": [604_801]}),
    Row("a delay that is a string", 400, "retry_schedule.0", "number", body={"retry_schedule": ["5"]}),
    Row("a delay beyond numbers", 400, "retry_schedule.0", "604800", raw=b'{"retry_schedule": [1e999]}', headers={"Content-Type": JSON}),
)  # fmt: skip

ABOUT_SERVERS = (
    Row("url is a number", 400, "url", "type string", body={"url": 5}),
    Row("url is relative", 400, "url", "absolute", body={"url": "/tes"}),
    Row("url is empty", 400, "url", "absolute", body={"url": ""}),
    Row("url has another scheme", 400, "url", "http or https", body={"url": "ftp://example.org"}),
    Row("url has user info", 400, "url", "user info", body={"url": "http://a:b@example.org"}),
    Row("url has a query", 400, "url", "query", body={"url": "http://example.org?a=b"}),
    Row("url has a fragment", 400, "url", "fragment", body={"url": "http://example.org#a"}),
    Row("url has port 0", 400, "url", "http", body={"url": "http://example.org:0"}),
    Row("url has port 65536", 400, "url", "URL", body={"url": "http://example.org:65536"}),
    Row("url has a line break", 400, "url", "ASCII", body={"url": "http://example.org/\r\na"}),
    Row("url has a NUL", 400, "url", "ASCII", body={"url": "http://example.org/\x00"}),
    Row("url has a space", 400, "url", "ASCII", body={"url": "http://exa mple.org/"}),
    Row("url is endless", 400, "url", "2048", body={"url": f"http://example.org/{'a' * 2048}"}),
    Row("calls_back is no answer", 400, "calls_back", "unknown, yes, no", body={"calls_back": "maybe"}),
    Row("calls_back is false", 400, "calls_back", "unknown, yes, no", body={"calls_back": False}),
    Row("access is another word", 400, "access", "token, pass, open", body={"access": "all"}),
    Row("access is null", 400, "access", body={"access": None}),
    Row("credentials that nobody configured", 400, "credentials", "there is hpc", body={"credentials": "cloud"}),
    Row("credentials are no name", 400, "credentials", body={"credentials": "No Name"}),
    Row("credentials are empty", 400, "credentials", "not be empty", body={"credentials": ""}),
    Row("credentials are endless", 400, "credentials", "63", body={"credentials": "x" * 64}),
    Row("credentials are themselves", 400, "credentials", "type string", body={"credentials": {"token": "a"}}),
    Row("default is a string", 400, "default", "type boolean", body={"default": "yes"}),
)  # fmt: skip

_NEW_SERVER = {"name": "new", "url": "http://example.org"}
_CALLBACK = {"id": "job-1", "state": "RUNNING"}
UNPRINTABLE = Row("Authorization has a NUL", 400, "Authorization", "printable", headers={"Authorization": "Basic \x00"})  # fmt: skip
STRANGE_IDS = tuple(
    Row(f"id is {place!r}", 404, says="no task", places={"id": place})
    for place in ("..", "a%2f..%2f..", "a%5c..", "..;a", "%00", "a%0a", "x" * 513)
)

OWN: dict[str, tuple[Row, ...]] = {
    "receive_callback": (
        Row("no id", 400, "id", "is missing", body=without(_CALLBACK, "id")),
        Row("no state", 400, "state", "is missing", body=without(_CALLBACK, "state")),
        Row("nothing", 400, "id", "is missing", body={}),
        Row("id is a number", 400, "id", "type string", body=_CALLBACK | {"id": 5}),
        Row("id is null", 400, "id", "type string", body=_CALLBACK | {"id": None}),
        Row("id is empty", 400, "id", "not be empty", body=_CALLBACK | {"id": ""}),
        Row("id is endless", 400, "id", "512", body=_CALLBACK | {"id": ENDLESS}),
        Row("id is 200 kB", 400, "id", "512", body=_CALLBACK | {"id": "x" * 200_000}),
        *wrong_text("id", *(_CALLBACK | {"id": text} for text in CONTROL)),
        Row("state is another word", 400, "state", STATES, body=_CALLBACK | {"state": "DONE"}),
        Row("state in small letters", 400, "state", STATES, body=_CALLBACK | {"state": "running"}),
        Row("state is empty", 400, "state", STATES, body=_CALLBACK | {"state": ""}),
        Row("state is null", 400, "state", body=_CALLBACK | {"state": None}),
        Row("state is a list", 400, "state", body=_CALLBACK | {"state": ["RUNNING"]}),
        Row("a token that nobody has", 404, says="callback URL", places={"token": "unknown"}),
        Row("a run with another random part", 404, says="callback URL", places={"token": "{run}.x"}),
        Row("a run's id alone", 404, says="callback URL", places={"token": "{run}"}),
        Row("an operator for a token", 404, places={"token": "%7B%22$gt%22:%22%22%7D"}),
        Row("no token", 404, places={"token": ""}),
        Row("a dot for a token", 404, places={"token": "."}),
        Row("an endless token", 400, "token", "256", places={"token": "x" * 257}),
        Row("a token of 1 MB", 400, "token", "256", places={"token": "x" * 1_000_000}),
        Row("a token with a NUL", 404, places={"token": "a%00b"}),
        Row("a token with a line feed", 404, places={"token": "a%0ab"}),
        Row("a token that is no UTF-8", 404, places={"token": "%ff%fe"}),
    ),
    "register_run": (
        *ABOUT_RUNS,
        *task_rows(),
        Row("a server that is not registered", 400, "server", "default", body={"server": "nowhere"}),
        Row("server is empty", 400, "server", "not be empty", body={"server": ""}),
        Row("server is no name", 400, "server", body={"server": "No Where"}),
        Row("server is endless", 400, "server", "63", body={"server": "x" * 64}),
        Row("server has a line feed at its end", 400, "server", body={"server": "default\n"}),
        Row("server is a number", 400, "server", "type string", body={"server": 5}),
    ),
    "change_run": (
        Row("nothing to change", 400, "body", "not be empty", body={}),
        Row("the server", 400, "body", "no field server", body={"server": "default"}),
        *ABOUT_RUNS,
    ),
    "list_runs": pages(
        also=(
            Row("a status that is none", 400, "status", "active, paused, gone", query="status=new"),
            Row("a status of our own", 400, "status", "active", query="status=ending"),
            Row("an endless name", 400, "name_prefix", "256", query=f"name_prefix={'x' * 257}"),
            Row("a value without key", 400, "tag_value", "tag_key", query="tag_value=a"),
            Row("the page of a run that is gone", 410, says="list again", query=f"page_token={token_of('gone')}"),
            Row("the page of a foreign run", 410, says="list again", query="page_token={foreign_page}"),
        )
    ),
    "get_run": (),
    "delete_run": (),
    "pause_run": (),
    "resume_run": (),
    "redeliver_run": (
        Row("since without a zone", 400, "since", "2025-06-12", body={"since": "2025-06-12T14:30:00"}),
        Row("since in words", 400, "since", "2025-06-12", body={"since": "yesterday"}),
        Row("since is a number", 400, "since", "type string", body={"since": 1_750_000_000}),
        Row("since in the year 1", 400, "since", "2025-06-12", body={"since": "0001-01-01T00:00:00+14:00"}),
        Row("since at the end of days", 400, "since", "2025-06-12", body={"since": "9999-12-31T23:59:59-14:00"}),
        Row("since is endless", 400, "since", "2025-06-12", body={"since": "2" * 65}),
        Row("no tasks", 400, "tasks", "not be empty", body={"tasks": []}),
        Row("1,001 tasks", 400, "tasks", "1000", body={"tasks": ["x"] * 1001}),
        Row("a task is an object", 400, "tasks.0", "type string", body={"tasks": [{"id": "a"}]}),
        Row("a task has no name", 400, "tasks.0", "not be empty", body={"tasks": [""]}),
        Row("an endless task", 400, "tasks.0", "512", body={"tasks": [ENDLESS]}),
        *wrong_text("tasks.0", *({"tasks": [text]} for text in CONTROL)),
        Row("a run without sink", 409, says="updates", body={}, places={"run_id": "{quiet}"}),
    ),
    "rotate_run": (
        Row("a negative overlap", 400, "overlap", "at least 0", body={"overlap": -1}),
        Row("an overlap over a week", 400, "overlap", "604800", body={"overlap": 604_801}),
        Row("a huge overlap", 400, "overlap", "604800", body={"overlap": HUGE}),
        Row("an overlap in words", 400, "overlap", "type integer", body={"overlap": "60"}),
        Row("an overlap of nothing", 400, "overlap", "type integer", body={"overlap": None}),
    ),
    "list_stuck_runs": pages(
        also=(
            Row("quiet for -1", 400, "quiet_for", "at least 0", query="quiet_for=-1"),
            Row("quiet for an age", 400, "quiet_for", "at most", query="quiet_for=31536001"),
            Row("quiet for words", 400, "quiet_for", "type integer", query="quiet_for=long"),
            Row("unsure in words", 400, "unsure", "type boolean", query="unsure=maybe"),
        )
    ),
    "fail_run": (
        Row("no reason", 400, "reason", "not be empty", body={"reason": ""}),
        Row("an endless reason", 400, "reason", "256", body={"reason": "x" * 257}),
        Row("a reason that is an object", 400, "reason", "type string", body={"reason": {"$ne": ""}}),
        *wrong_text("reason", *({"reason": text} for text in CONTROL)),
        Row("a state of its own", 400, "body", "no field state", body={"state": "COMPLETE"}),
        Row("a run that nothing is behind", 409, says="only runs of", body={}, places={"run_id": "{quiet}"}),
        Row("a webhook", 409, says="only runs of", body={}),
        Row("a run whose tasks go on", 409, says="went on", body={}, places={"run_id": "{going_on}"}),
        Row("a run that is paused", 409, says="resume it first", body={}, places={"run_id": "{paused}"}),
    ),
    "list_run_tasks": pages(),
    "add_run_tasks": (
        Row("no tasks", 400, "tasks", "is missing", body={}),
        Row("an empty list", 400, "tasks", "not be empty", body={"tasks": []}),
        *task_rows(),
    ),
    "list_run_deliveries": pages(
        also=(
            Row("the page of another list", 400, "page_token", "this list", query=f"page_token={token_of('job-1')}"),
            Row("a page before all time", 400, "page_token", "this list", query=f"page_token={token_of('0001-01-01T00:00:00+23:59')}"),
        )
    ),
    "list_run_updates": (
        *WAITS,
        *(row for row in pages() if row.at == "page_size"),
        Row("a cursor that is none", 400, "after", "cursor", query="after=unknown"),
        Row("a cursor in other letters", 400, "after", "cursor", query="after=%F0%9F%92%A9"),
        Row("a cursor of nothing", 400, "after", "cursor", query="after=AAAA"),
        Row("half a cursor", 400, "after", "cursor", query="after=AQAAAAAAAAAA"),
        Row("a cursor of another version", 400, "after", "cursor", query="after=AgAAAAAAAAAAAAA"),
        Row("a cursor beyond all time", 400, "after", "cursor", query="after=Af__________AAA"),
        Row("an endless cursor", 400, "after", "8192", query=f"after={'A' * 8193}"),
        Row("a last event that was none", 400, "after", "cursor", headers={"Accept": "text/event-stream", "Last-Event-ID": "unknown"}),
        Row("an endless last event", 400, "Last-Event-ID", "8192", headers={"Last-Event-ID": "A" * 8193}),
        Row("a stream from no cursor", 400, "after", "cursor", query="after=unknown", headers={"Accept": "text/event-stream"}),
    ),
    "get_task": (
        *WAITS,
        Row("a state that is none", 400, "known", STATES, query="known=DONE"),
        Row("a state in small letters", 400, "known", STATES, query="known=running"),
        Row("an unknown task", 404, says="nothing", places={"task_id": "nothing"}),
        Row("a task of another owner", 404, says="job-2", places={"task_id": "job-2"}),
        Row("a server that is not registered", 404, says="nowhere", places={"server": "nowhere"}),
        Row("an id that climbs", 404, places={"task_id": "../../v1/runs"}),
        Row("an id that climbs in disguise", 404, places={"task_id": "..%2f..%2fruns"}),
        Row("no id", 404, places={"task_id": ""}),
    ),
    "list_states": (
        Row("no tasks", 400, "tasks", "is missing", body={}),
        Row("an empty list", 400, "tasks", "not be empty", body={"tasks": []}),
        *task_rows(with_server=False),
    ),
    "list_servers": (),
    "register_server": (
        Row("no name", 400, "name", "is missing", body=without(_NEW_SERVER, "name")),
        Row("no url", 400, "url", "is missing", body=without(_NEW_SERVER, "url")),
        *(
            Row(f"name is {name[:20]!r}", 400, "name", body=_NEW_SERVER | {"name": name})
            for name in ("", "Default", "-a", "a-", "a.b", "a/b", "a b", "..", "\x00", "new\n", "x" * 64)
        ),
        Row("name is a number", 400, "name", "type string", body=_NEW_SERVER | {"name": 5}),
        Row("credentials are null", 400, "credentials", "type string", body=_NEW_SERVER | {"credentials": None}),
        *(replace(row, body={"name": "new"} | _NEW_SERVER | row.body) for row in ABOUT_SERVERS),
    ),
    "get_server": (
        Row("a server that is not registered", 404, says="nowhere", places={"server": "nowhere"}),
    ),
    "change_server": (
        Row("nothing to change", 400, "body", "not be empty", body={}),
        Row("the name", 400, "body", "no field name", body={"name": "new"}),
        Row("a server that is not registered", 404, says="nowhere", places={"server": "nowhere"}),
        *ABOUT_SERVERS,
    ),
    "delete_server": (
        Row("a server that is not registered", 404, says="nowhere", places={"server": "nowhere"}),
    ),
    "get_service_info": (),
    "healthz": (),
    "readyz": (),
    # The rest is for the TES server to judge, which may know more than we do.
    "GetServiceInfo": (UNPRINTABLE,),
    "ListTasks": (UNPRINTABLE,),
    "CreateTask": (
        Row("callback_url is a number", 400, "callback_url", "must be a string", body=TASK | {"callback_url": 5}),
        Row("callback_url is no URL", 400, "callback_url", "http or https", body=TASK | {"callback_url": "example.org"}),
        Row("callback_url leads inside", 400, "callback_url", "never allowed", body=TASK | {"callback_url": "http://169.254.169.254/"}),
        Row("callback_url is endless", 400, "callback_url", "2048", body=TASK | {"callback_url": f"http://example.org/{'a' * 2048}"}),
        Row("a field stands there twice", 400, "executors", "twice", raw=b'{"executors": [], "executors": []}', headers={"Content-Type": JSON}),
        Row("a run that nobody has", 404, says="no run", headers={"X-Run-Id": "r0123"}),
        Row("a run of somebody known", 404, says="no run", headers={"X-Run-Id": "{foreign}"}),
        Row("an endless run", 404, says="no run has", headers={"X-Run-Id": "x" * 5000}),
        Row("a run by its tag that nobody has", 404, says="no run", body=TASK | {"tags": {"callback-service-run": "r0123"}}),
        Row("more than 16 MiB", 413, says="larger", raw=b" " * (16 * 2**20 + 1), headers={"Content-Type": JSON}),
        UNPRINTABLE,
    ),
    "GetTask": (UNPRINTABLE, *STRANGE_IDS),
    "CancelTask": (UNPRINTABLE, *STRANGE_IDS),
}  # fmt: skip


def rows_of(operation: Operation) -> Iterator[Row]:
    """The operation's own rows, and those that follow from what it is."""
    for row in (*OWN[operation.id], *_by_contract(operation)):
        good = GOOD[operation.id]
        token = good.token if row.token == "user" else row.token
        untouched = row.body is None and row.raw is None
        yield replace(row, token=token, body=good.body if untouched else row.body)


def _by_contract(operation: Operation) -> Iterator[Row]:
    yield from _wrong_method(operation)
    if not operation.is_tes:
        yield Row("an unknown query parameter", 400, "colour", "known are", query="colour=red")
        yield Row("an operator as parameter", 400, "$where", "known are", query="$where=1")
    if operation.security and not operation.is_tes:
        yield from _without_token(operation)
    if operation.body:
        yield from _broken_bodies(operation)
    for name in operation.names("path"):
        if name in {"run_id", "server", "task_id"}:
            yield from _broken_places(operation, name)


def _wrong_method(operation: Operation) -> Iterator[Row]:
    # Without POST, what follows the colon is a part of the id.
    others = {"GET", "POST", "PUT", "DELETE"} if ":" not in operation.path else {"PUT"}
    for method in (*sorted(others - methods_of(operation.path)), "BREW"):
        yield Row(f"{method} is no method here", 405, says="method", method=method)


def _without_token(operation: Operation) -> Iterator[Row]:
    for sent in (
        "Bearer", "Bearer ", "Bearer unknown", "Bearer a b c", "Basic Tm9uZTpOb25l", "unknown",
        "Bearer a.b.c", "Bearer \u00ff\u00fe", "Bearer " + "x" * 5000, "Digest username=a",
    ):  # fmt: skip
        what = f"Authorization is {sent[:20]!r}"
        yield Row(what, 401, says="Bearer TOKEN", token=None, headers={"Authorization": sent})
    yield Row("no Authorization", 401, says="Bearer TOKEN", token=None)
    for token in {"admin": ("user", "read"), "user": ("read",)}.get(GOOD[operation.id].role, ()):
        # A token's name and not `user`, which stands for the good one.
        yield Row(f"a token of the role {token}", 403, says="role", token=f"as {token}")


def _broken_bodies(operation: Operation) -> Iterator[Row]:
    json = {"Content-Type": JSON}
    for what, raw, says in (
        ("not JSON", b"id=job-1", "JSON"),
        ("half of JSON", b'{"id": "job', "JSON"),
        ("two documents", b"{}{}", "JSON"),
        ("not UTF-8", b'{"id": "\xff"}', "UTF-8"),
        ("UTF-16", '{"id": "a"}'.encode("utf-16"), "UTF-8"),
        ("NaN", b'{"id": NaN}', "NaN"),
        ("Infinity", b'{"id": -Infinity}', "Infinity"),
        ("100,000 brackets", b"[" * 100_000 + b"]" * 100_000, "nested"),
        ("50,000 objects", b'{"a":' * 50_000, "nested"),
        ("half of a surrogate pair", b'{"id": "\\ud800"}', "surrogate"),
        ("a half as key", b'{"\\udfff": 1}', "surrogate"),
        ("a number of 5,000 digits", b'{"id": ' + b"9" * 5000 + b"}", "digits"),
        ("an array", b"[]", "object"),
        ("a string", b'"job-1"', "object"),
        ("a number", b"5", "object"),
        ("null", b"null", "object"),
        ("true", b"true", "object"),
    ):
        yield Row(f"the body is {what}", 400, "body", says, raw=raw, headers=json)
    if operation.id != "rotate_run":  # Its body may be left out.
        yield Row("the body is empty", 400, "body", "is missing", raw=b"", headers=json)
        yield Row("there is no body", 400, "body", "is missing", raw=b"")
    for kind in (
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/xml", "nonsense", "",
    ):  # fmt: skip
        # Only browsers have to say what a task is.
        headers = {"Content-Type": kind} if kind else {"Origin": "https://example.org"}
        what = f"the body is declared to be {kind or 'nothing'}"
        yield Row(what, 415, says=JSON, raw=b'{"expires_in": 60, "tags": []}', headers=headers)
    form = b'--x\r\nContent-Disposition: form-data; name="expires_in"\r\n\r\n60\r\n--x--'
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    yield Row("the body is a form", 415, says=JSON, raw=form, headers=multipart)
    for kind in (JSON, "text/plain") if operation.id != "CreateTask" else ():
        large, headers = b"[" * KILOBYTES_300, {"Content-Type": kind}
        yield Row(f"300 kB of {kind}", 413, says="larger", raw=large, headers=headers)
    if operation.id not in {"receive_callback", "CreateTask"}:
        body = {**GOOD[operation.id].body, "colour": "red"}
        yield Row("an unknown field", 400, "body", "no field colour", body=body)
        body = {**GOOD[operation.id].body, "$where": "1", "a.b": 2, "\x00": 3}
        yield Row("operators as fields", 400, "body", "known are", body=body)


def _broken_places(operation: Operation, name: str) -> Iterator[Row]:
    yield Row(f"{name} has a NUL", 400, name, "control", places={name: "a%00b"})
    if name == "task_id":
        # An id that may hold slashes ends at a line, for the router.
        yield Row("task_id has a line feed", 404, places={name: "a%0a"})
    else:
        yield Row(f"{name} has a line feed", 400, name, "control", places={name: "a%0a"})
    yield Row(f"{name} is endless", 400, name, "at most", places={name: ENDLESS})
    yield Row(f"{name} has 1 MB", 400, name, "at most", places={name: "x" * 1_000_000})
    if name == "run_id":
        yield Row("a run that nobody has", 404, says="no run", places={name: "r0123"})
        if operation.id != "fail_run":  # An operator's.
            yield Row("another owner's run", 404, says="no run", places={name: "{foreign}"})
        yield Row("a run that is deleted", 404, says="no run", places={name: "{deleted}"})
        yield Row("an operator for a run", 404, places={name: "%7B%22$gt%22:%22%22%7D"})
        yield Row("a run that climbs", 404, places={name: ".."})
        yield Row("a run that is no UTF-8", 404, places={name: "%ff%fe"})


def filled(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def send(
    service: Service, operation: Operation, row: Row, names: Mapping[str, str]
) -> TestResponse:
    """Send a row's request; `names` is what the placeholders stand for."""
    path = operation.path
    for name, value in {**PLACES, **GOOD[operation.id].places, **row.places}.items():
        path = path.replace("{" + name + "}", value)
    path = filled(path, names)
    more: dict[str, Any] = {"data": row.raw} if row.raw is not None else {"body": row.body}
    return service.call(
        row.method or operation.method,
        path,
        token=row.token.removeprefix("as ") if row.token else None,
        headers=row.headers,
        query_string=filled(row.query, names),
        **more,
    )


OPERATION_ROWS = [
    (operation, row) for operation in OPERATIONS.values() for row in rows_of(operation)
]
