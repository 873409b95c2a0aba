"""The whole service as real processes: a database, a broker, APIs and workers."""

import contextlib
import itertools
import json
from dataclasses import dataclass
from datetime import datetime

import requests

from callback_service.domain.capability import hash_token, new_api_token
from tests.e2e.brokers import BROKERS
from tests.e2e.processes import COMMAND, Api, Database, Worker
from tests.e2e.receivers import Receiver

# What TESK's sender posts for a task with two executors, and what a listener makes of it.
TESK_SENDS = ["INITIALIZING", "QUEUED", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "COMPLETE"]
TESK_MEANS = ["INITIALIZING", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "COMPLETE"]

_names = itertools.count(1)


def new_task():
    """An id that no other test uses, so that many can share a system."""
    return f"task-{next(_names):05d}"


class Client:
    """Speaks to one API; paths are those of the contract."""

    def __init__(self, url, token):
        self.url = url
        self.token = token
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method, path, body=None, *, timeout=30, **rest):
        return self.session.request(method, self.url + path, json=body, timeout=timeout, **rest)

    def get(self, path, **rest):
        answer = self.ask("GET", path, **rest)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path, body=None):
        answer = self.ask("POST", path, body)
        assert answer.ok, answer.text
        return answer.json()

    def register(self, sink=None, **wish):
        """A run whose sink is a receiver, the URL of something else, or none."""
        if sink is not None:
            url = getattr(sink, "url", sink) + wish.pop("path", "")
            wish["sink"] = {"type": "http", "url": url, "format": wish.pop("format", "batch")}
        if "tasks" in wish:
            wish["tasks"] = [{"id": task} for task in wish["tasks"]]
        run = Run(self, self.post("/v1/runs", wish))
        if isinstance(sink, Receiver):
            sink.trust(run.secret)
        return run


class Run:
    """A registered run."""

    def __init__(self, client, document):
        self._client = client
        self.id = document["id"]
        self.callback_url = document["callback_url"]
        self.secret = document["secret"]
        self.created_at = datetime.fromisoformat(document["created_at"])

    @property
    def path(self):
        return f"/v1/runs/{self.id}"

    def show(self):
        return self._client.get(self.path)

    def do(self, verb, body=None):
        return self._client.post(f"{self.path}:{verb}", body)

    def follow(self, *tasks):
        return self._client.post(f"{self.path}/tasks", {"tasks": [{"id": one} for one in tasks]})

    def deliveries(self):
        return self._client.get(f"{self.path}/deliveries")["deliveries"]

    def delete(self):
        assert self._client.ask("DELETE", self.path).status_code == 204

    def call_back(self, task, *states):
        """What a TES server does; each must be acknowledged."""
        for state in states:
            answer = call_back(self.callback_url, task, state)
            assert answer.status_code == 204, answer.text


def call_back(url, task, state, timeout=10):
    return requests.post(url, json={"id": task, "state": state}, timeout=timeout)


@dataclass
class System:
    database: Database
    broker: object
    apis: list
    workers: list
    client: Client

    @property
    def api(self):
        return self.apis[0]

    @property
    def worker(self):
        return self.workers[0]

    @property
    def processes(self):
        return [self.database, *self.apis, *self.workers]

    def start(self):
        for process in self.processes:
            process.start()
        self.until_ready()

    def until_ready(self):
        for api in self.apis:
            api.until_ready()

    def revive(self):
        self.broker.start()
        dead = [process for process in self.processes if not process.is_alive]
        for process in dead:
            process.start()
        self.until_ready()

    def client_of(self, api):
        return Client(api.url, self.client.token)


@contextlib.contextmanager
def running_system(
    folder,
    broker="folder",
    *,
    apis=1,
    api_workers=1,
    workers=1,
    command=COMMAND,
    new_database=Database,
    environ_of=lambda _name: {},
    **settings,
):
    """`apis` are gunicorns with `api_workers` processes each, which share nothing but the rest.

    `broker` is one of those that have names, or makes one. `command` is what is started as the
    service, and `environ_of` is asked for what the process of a name finds in its environment;
    `settings` are sections of `custom`.
    """
    with contextlib.ExitStack() as stack:
        database = new_database(folder)
        running = stack.enter_context(BROKERS.get(broker, broker)(folder).running())
        token, tokens = new_api_token(), folder / "tokens.yaml"
        tokens.write_text(f'- {{owner: tester, role: admin, hash: "{hash_token(token)}"}}\n')
        own = folder / "own.yaml"
        own.write_text(json.dumps({"custom": settings}))
        environ = {
            "CALLBACK_CONFIG": str(own),
            "MONGO_URI": database.service_uri,
            "CALLBACK_API_TOKENS_FILE": str(tokens),
            "CALLBACK_EGRESS_ALLOW": "127.0.0.0/8",
            **running.environ,
        }
        listening = [
            Api(f"api-{n}", folder, environ, api_workers, command) for n in range(1, apis + 1)
        ]
        telling = [Worker(f"worker-{n}", folder, environ, command) for n in range(1, workers + 1)]
        client = Client(listening[0].url, token)
        system = System(database, running, listening, telling, client)
        for process in system.processes:
            process.environ = {**process.environ, **environ_of(process.name)}
            stack.callback(process.end)
        system.start()
        yield system
