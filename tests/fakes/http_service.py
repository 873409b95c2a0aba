"""The service as its clients see it over HTTP: the contract's answers, from memory."""

import json
import queue
import re
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from standardwebhooks import Webhook

from callback_service.domain.capability import new_run_id, new_secret
from callback_service.domain.states import State

TOKEN = "cbs_known"
Json = dict[str, Any]


class Problem(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass
class FakeRun:
    shown: Json
    secret: str
    sink: Json
    tasks: list[tuple[str, str]] = field(default_factory=list)
    deliveries: list[Json] = field(default_factory=list)


class HttpService:
    """Keeps what it knows while it is stopped, as the real one does."""

    def __init__(self, token: str | None = TOKEN) -> None:
        self.token = token
        self.requests: list[tuple[str, str, Any]] = []
        # Answered instead of the next requests, as pairs of status and detail.
        self.troubles: deque[tuple[int, str]] = deque()
        # What the delivery does to an update on its way; None keeps it back for ever.
        self.on_the_way: Callable[[Json], Json | None] = lambda update: update
        self.signs = True
        # How a run stands once a worker has dealt with its being given up.
        self.marking: Json | None = None
        self._port = 0
        self._runs: dict[str, FakeRun] = {}
        self._servers: dict[str, Json] = {}
        # Updates in the order in which they came; a cursor is a place in it.
        self._updates: list[Json] = []
        self._news = threading.Condition()
        self._owed: queue.Queue[tuple[FakeRun, Json] | None] = queue.Queue()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def polled(self, name: str, **polling: Any) -> None:
        """What the workers found out of a server."""
        self._servers[name]["polling"] |= polling

    def learnt(self, name: str, calls_back: str) -> None:
        self._servers[name]["calls_back"] = calls_back

    @property
    def run_ids(self) -> list[str]:
        return list(self._runs)

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler_of(self))
        self._port = self._server.server_port
        self.is_up = True
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True),
            threading.Thread(target=self._deliver, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.is_up = False
        with self._news:
            self._news.notify_all()
        self._owed.put(None)
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    # ---- what the contract says; a test may put another method in the place of one ----

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Json | None]:
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        for wanted, pattern, operation in _OPERATIONS:
            match = re.fullmatch(pattern, parts.path)
            if match and wanted == method:
                answer: Callable[..., tuple[int, Json | None]] = getattr(self, operation)
                return answer(*map(unquote, match.groups()), query=query, body=body)
        raise Problem(404, "there is nothing at this address")

    def readyz(self, query: Json, body: Any) -> tuple[int, Json]:
        return 200, {
            "status": "ready",
            "checks": {"database": "ok", "schema": "ok", "broker": "ok"},
        }

    def receive(self, token: str, query: Json, body: Any) -> tuple[int, None]:
        run = self._run(token.partition(".")[0])
        key = ("default", body["id"])
        with self._news:
            self._join(run, key)
            self._change(key, body["state"])
            self._news.notify_all()
        return 204, None

    def register_run(self, query: Json, body: Json) -> tuple[int, Json]:
        sink = body.get("sink", {"type": "none"})
        if sink["type"] == "http" and not sink["url"].startswith("http"):
            raise Problem(400, "sink.url: must be an http or https URL")
        run_id, now = new_run_id(), datetime.now(UTC)
        shown = {
            "id": run_id,
            "name": body.get("name", ""),
            "owner": "local",
            "server": body.get("server", "default"),
            "tags": body.get("tags", {}),
            "sink": _shown_sink(sink),
            "status": "active",
            "created_at": now.isoformat(),
            "expires_at": (now + timedelta(seconds=body.get("expires_in", 604800))).isoformat(),
            "retry_schedule": [0, 5],
            "failures": 0,
        }
        self._runs[run_id] = FakeRun(shown, new_secret(), sink)
        self._follow(self._runs[run_id], body.get("tasks", []))
        return 201, {**shown, **self._capabilities(run_id)}

    def list_runs(self, query: Json, body: Any) -> tuple[int, Json]:
        wanted = [
            run.shown
            for run in reversed(self._runs.values())
            if run.shown["name"].startswith(query.get("name_prefix", ""))
            and query.get("status", run.shown["status"]) == run.shown["status"]
        ]
        return 200, _page("runs", wanted, query)

    def get_run(self, run_id: str, query: Json, body: Any) -> tuple[int, Json]:
        run = self._run(run_id)
        states = Counter(self._state(key) for key in run.tasks)
        return 200, {**run.shown, "tasks": states, "owed": 0, "dead_letters": 0}

    def change_run(self, run_id: str, query: Json, body: Json) -> tuple[int, Json]:
        run = self._run(run_id)
        if "sink" in body:
            run.sink = body["sink"]
            run.shown["sink"] = _shown_sink(run.sink)
        run.shown.update({key: body[key] for key in ("name", "tags") if key in body})
        return 200, run.shown

    def delete_run(self, run_id: str, query: Json, body: Any) -> tuple[int, None]:
        del self._runs[self._run(run_id).shown["id"]]
        return 204, None

    def pause_run(self, run_id: str, query: Json, body: Any) -> tuple[int, Json]:
        self._run(run_id).shown["status"] = "paused"
        return 200, self._run(run_id).shown

    def resume_run(self, run_id: str, query: Json, body: Any) -> tuple[int, Json]:
        self._run(run_id).shown["status"] = "active"
        return 200, self._run(run_id).shown

    def list_stuck_runs(self, query: Json, body: Any) -> tuple[int, Json]:
        return 200, _page("runs", [self._stuck(run) for run in self._runs.values()], query)

    def _stuck(self, run: FakeRun) -> Json:
        kept = {key: run.shown[key] for key in ("id", "name", "owner", "sink")}
        is_sure = run.sink["type"] == "cwl-wes"
        return {
            **kept,
            "tasks": {"COMPLETE": 2},
            "last_change_at": (datetime.now(UTC) - timedelta(hours=2)).isoformat(),
            "quiet_for": 7200,
            "sure": is_sure,
            "why": "all 2 tasks have ended",
            **({"wes_state": "RUNNING"} if is_sure else {}),
        }

    def fail_run(self, run_id: str, query: Json, body: Json) -> tuple[int, Json]:
        run = self._run(run_id)
        if run.sink["type"] not in {"cwl-wes", "wes"}:
            raise Problem(409, "only runs of cwl-WES can be marked")
        reason = body.get("reason", "given up by an operator")
        asked = {
            **run.shown,
            "failing": {"by": "local", "at": datetime.now(UTC).isoformat(), "reason": reason},
        }
        # The worker has done it by the next look, unless a test says what it has come to.
        marked = {"status": "gone", "last_error": f"marked SYSTEM_ERROR by local: {reason}"}
        run.shown.update(self.marking or marked)
        return 202, asked

    def redeliver_run(self, run_id: str, query: Json, body: Any) -> tuple[int, Json]:
        if self._run(run_id).sink["type"] == "none":
            raise Problem(409, "a run without a sink has nobody to be told")
        return 202, self._run(run_id).shown

    def rotate_run(self, run_id: str, query: Json, body: Any) -> tuple[int, Json]:
        self._run(run_id).secret = new_secret()
        return 200, self._capabilities(run_id)

    def list_run_tasks(self, run_id: str, query: Json, body: Any) -> tuple[int, Json]:
        return 200, _page("tasks", [self._task(key) for key in self._run(run_id).tasks], query)

    def add_run_tasks(self, run_id: str, query: Json, body: Json) -> tuple[int, Json]:
        keys = self._follow(self._run(run_id), body["tasks"])
        return 200, {"states": [self._task(key) for key in keys]}

    def list_run_deliveries(self, run_id: str, query: Json, body: Any) -> tuple[int, Json]:
        return 200, _page("deliveries", self._run(run_id).deliveries[::-1], query)

    def list_run_updates(self, run_id: str, query: Json, body: Any) -> tuple[int, Json]:
        run, after = self._run(run_id), int(query.get("after", 0))
        if after < 0:
            raise Problem(410, "the cursor has expired")

        def news() -> list[Json]:
            # A task may have joined after its updates came: nothing is skipped, some may repeat.
            return [
                one for one in self._updates[after:] if (one["server"], one["task_id"]) in run.tasks
            ]

        with self._news:
            self._news.wait_for(lambda: news() or not self.is_up, float(query.get("wait", 0)))
            return 200, {"updates": news(), "cursor": str(len(self._updates))}

    def list_servers(self, query: Json, body: Any) -> tuple[int, Json]:
        return 200, {"servers": list(self._servers.values())}

    def register_server(self, query: Json, body: Json) -> tuple[int, Json]:
        if body["name"] in self._servers:
            raise Problem(409, f"there is a server '{body['name']}' already")
        self._servers[body["name"]] = {
            "access": "token",
            "calls_back": "unknown",
            "calls_back_learnt": body.get("calls_back", "unknown") == "unknown",
            "default": False,
            **body,
            "gateway_url": f"{self.url}/gateway/{body['name']}",
            "polling": {"requests": 0, "failures": 0, "filters": "untried"},
            "created_at": datetime.now(UTC).isoformat(),
        }
        return 201, self._servers[body["name"]]

    def get_server(self, name: str, query: Json, body: Any) -> tuple[int, Json]:
        if name not in self._servers:
            raise Problem(404, f"no server '{name}' is registered")
        return 200, self._servers[name]

    def change_server(self, name: str, query: Json, body: Json) -> tuple[int, Json]:
        self.get_server(name, query, body)
        changed = {**self._servers[name], **body}
        changed["calls_back_learnt"] = changed["calls_back"] == "unknown"
        self._servers[name] = {key: one for key, one in changed.items() if one is not None}
        return 200, self._servers[name]

    def delete_server(self, name: str, query: Json, body: Any) -> tuple[int, None]:
        self.get_server(name, query, body)
        del self._servers[name]
        return 204, None

    # ---- what it keeps ----

    def _run(self, run_id: str) -> FakeRun:
        if run_id not in self._runs:
            raise Problem(404, f"there is no run '{run_id}' of yours; it may have expired")
        return self._runs[run_id]

    def _capabilities(self, run_id: str) -> Json:
        url = f"{self.url}/callbacks/{run_id}.open-sesame"
        return {"callback_url": url, "secret": self._run(run_id).secret}

    def _follow(self, run: FakeRun, tasks: list[Json]) -> list[tuple[str, str]]:
        if len(tasks) > 1000:
            raise Problem(400, "tasks: must be at most 1000")
        keys = [(one.get("server", run.shown["server"]), one["id"]) for one in tasks]
        with self._news:
            for key in keys:
                self._join(run, key)
        return keys

    def _join(self, run: FakeRun, key: tuple[str, str]) -> None:
        if key not in run.tasks:
            run.tasks.append(key)
            for update in self._history(key):
                self._owed.put((run, update))

    def _change(self, key: tuple[str, str], state: str) -> None:
        previous = self._state(key)
        if state in {previous, "UNKNOWN"} or State(previous).is_final:
            return
        update = {
            "server": key[0],
            "task_id": key[1],
            "seq": len(self._history(key)) + 1,
            "state": state,
            "previous": previous,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "source": "callback",
            "final": State(state).is_final,
        }
        self._updates.append(update)
        for run in self._runs.values():
            if key in run.tasks:
                self._owed.put((run, update))

    def _history(self, key: tuple[str, str]) -> list[Json]:
        return [one for one in self._updates if (one["server"], one["task_id"]) == key]

    def _state(self, key: tuple[str, str]) -> str:
        history = self._history(key)
        return history[-1]["state"] if history else "UNKNOWN"

    def _task(self, key: tuple[str, str]) -> Json:
        history = self._history(key)
        state = self._state(key)
        return {
            "server": key[0],
            "id": key[1],
            "state": state,
            "seq": len(history),
            "final": State(state).is_final,
            "history": history,
        }

    # ---- deliveries ----

    def _deliver(self) -> None:
        while owed := self._owed.get():
            run, update = owed
            told = self.on_the_way(update)
            if run.sink["type"] == "http" and told:
                self._post(run, told)

    def _post(self, run: FakeRun, update: Json) -> None:
        now = datetime.now(UTC)
        told = {"run": {"id": run.shown["id"], "name": run.shown["name"]}, "updates": [update]}
        text = json.dumps(told)
        webhook_id = f"msg_{update['task_id']}_{update['seq']}"
        headers = {"webhook-id": webhook_id, "webhook-timestamp": str(int(now.timestamp()))}
        if self.signs:
            headers["webhook-signature"] = Webhook(run.secret).sign(webhook_id, now, text)
        attempt = {
            "at": now.isoformat(),
            "webhook_id": webhook_id,
            "attempt": 1,
            "updates": 1,
            "latency_ms": 1.5,
        }
        try:
            status = requests.post(run.sink["url"], text.encode(), headers=headers, timeout=5)
            attempt |= {"verdict": "told", "status": status.status_code}
        except requests.RequestException:
            attempt |= {"verdict": "retry", "error": "connection refused"}
        run.deliveries.append(attempt)


_RUN = r"/v1/runs/([^/:]+)"
_OPERATIONS: list[tuple[str, str, str]] = [
    ("GET", "/readyz", "readyz"),
    ("POST", r"/callbacks/([^/]+)", "receive"),
    ("POST", "/v1/runs", "register_run"),
    ("GET", "/v1/runs", "list_runs"),
    ("GET", _RUN, "get_run"),
    ("PATCH", _RUN, "change_run"),
    ("DELETE", _RUN, "delete_run"),
    ("POST", _RUN + ":pause", "pause_run"),
    ("POST", _RUN + ":resume", "resume_run"),
    ("GET", "/v1/runs:stuck", "list_stuck_runs"),
    ("POST", _RUN + ":fail", "fail_run"),
    ("POST", _RUN + ":redeliver", "redeliver_run"),
    ("POST", _RUN + ":rotate", "rotate_run"),
    ("GET", _RUN + "/tasks", "list_run_tasks"),
    ("POST", _RUN + "/tasks", "add_run_tasks"),
    ("GET", _RUN + "/deliveries", "list_run_deliveries"),
    ("GET", _RUN + "/updates", "list_run_updates"),
    ("GET", "/v1/servers", "list_servers"),
    ("POST", "/v1/servers", "register_server"),
    ("GET", r"/v1/servers/([^/]+)", "get_server"),
    ("PATCH", r"/v1/servers/([^/]+)", "change_server"),
    ("DELETE", r"/v1/servers/([^/]+)", "delete_server"),
]
_PUBLIC = ("/readyz", "/callbacks/")


def _shown_sink(sink: Json) -> Json:
    if sink["type"] not in {"http", "wes"}:
        return sink
    own = {"format": "batch"} if sink["type"] == "http" else {}
    shown = {**own, **sink, "header_names": list(sink.get("headers", {}))}
    shown.pop("headers", None)
    return shown


def _page(plural: str, found: list[Json], query: Json) -> Json:
    start, size = int(query.get("page_token", 0)), int(query.get("page_size", 100))
    page: Json = {plural: found[start : start + size]}
    if start + size < len(found):
        page["next_page_token"] = str(start + size)
    return page


def _handler_of(service: HttpService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body are two writes; waiting in between would cost 40 ms.
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            try:
                status, answer = self.answer(body)
            except Problem as problem:
                status = problem.status
                answer = {
                    "type": "about:blank",
                    "title": "Problem",
                    "status": status,
                    "detail": problem.detail,
                }
            if service.is_up:
                self.send(status, answer)
            else:
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815  the library looks for them

        def answer(self, body: Any) -> tuple[int, Json | None]:
            service.requests.append((self.command, self.path, body))
            if service.troubles:
                raise Problem(*service.troubles.popleft())
            shown = self.headers.get("Authorization")
            is_known = not service.token or shown == f"Bearer {service.token}"
            if not is_known and not self.path.startswith(_PUBLIC):
                raise Problem(401, "send 'Authorization: Bearer TOKEN'")
            return service.answer(self.command, self.path, body)

        def send(self, status: int, answer: Json | None) -> None:
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
