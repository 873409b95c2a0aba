"""The service as `callback-service up` starts it, with as many processes as the plan says."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pymongo import MongoClient

from bench.plan import Plan
from bench.usage import Usage, usage_of
from callback_service.embedded import ports
from callback_service.embedded.child import Child, Patience, tether
from callback_service.embedded.folder import DataFolder
from callback_service.embedded.stack import Options, Programs, Surroundings, stack
from callback_service.entrypoints.cli.failures import CommandFailed
from callback_service.entrypoints.cli.service_client import Json, ServiceClient

RESULTS = Path(__file__).with_name("results")
_READY_WITHIN = 60.0
# Nobody's settings decide what is measured, but for the database.
_NOT_PASSED_ON = ("CALLBACK_", "CELERY_", "FOCA_", "MONGO_")


@dataclass(frozen=True, slots=True)
class Service:
    """A running one. `database` is its URI, `name` that of the database in it."""

    client: ServiceClient
    database: str
    name: str
    children: Sequence[Child]

    def register(self, sink: Json) -> str:
        """The callback URL of a new run."""
        url: str = self.client.register_run({"name": "bench", "sink": sink}, [])["callback_url"]
        return url

    def usage(self) -> dict[str, Usage]:
        return {child.name: usage_of(child.pid) for child in self.children if child.pid}


@contextmanager
def running_service(plan: Plan, broker: str | None) -> Iterator[Service]:
    """`broker`: its URL; None for the folder that `up` runs with."""
    with scratch_folder() as scratch, tether() as pipe:
        folder = DataFolder(scratch / "data")
        with folder.lock():
            folder.prepare()
            around = surroundings(broker)
            service = _assembled(plan, folder, around, pipe)
            try:
                _start(service)
                yield service
            finally:
                _stop(service.children)
                if around.database:
                    _drop(service)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    # Not among the system's temporary files: on many a machine those are never written to a disk.
    RESULTS.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="run-", dir=RESULTS, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def surroundings(broker: str | None = None) -> Surroundings:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)
    }
    if database := os.environ.get("MONGO_URI"):
        environ["MONGO_URI"] = database
    if broker:
        environ["CELERY_BROKER_URL"] = broker
    # A database of its own, wherever it is.
    return Surroundings({**environ, "MONGO_DBNAME": f"callback-bench-{os.getpid()}"})


def _assembled(plan: Plan, folder: DataFolder, around: Surroundings, pipe: int) -> Service:
    options = Options(folder.root, port=ports.pick_free())
    api = (*Programs().api, "--workers", str(plan.api_processes))
    lines = stack(options, folder, around, Programs(api=api)).commands
    told = lines[0].environ
    return Service(
        client=ServiceClient(ports.url_of(options.host, options.port), folder.api_token()),
        database=told["MONGO_URI"],
        name=told["MONGO_DBNAME"],
        children=[Child(line, pipe, Patience()) for line in lines],
    )


def _start(service: Service) -> None:
    for child in reversed(service.children):
        child.start()
    wait_until_ready(service.client, service.children)


def wait_until_ready(client: ServiceClient, children: Sequence[Child]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while not _is_ready(client):
        for child in children:
            if not child.is_alive():
                sys.exit(f"The {child.name} ended:\n" + "\n".join(child.log.last_lines()))
        if time.monotonic() > deadline:
            sys.exit(f"The service was not ready within {_READY_WITHIN:.0f} seconds.")
        time.sleep(0.02)


def _is_ready(client: ServiceClient) -> bool:
    try:
        client.get("/readyz")
    except CommandFailed:
        return False
    return True


def _stop(children: Sequence[Child]) -> None:
    """The database last, when nobody writes any more."""
    for child in children:
        stop(child)


def stop(child: Child) -> None:
    child.terminate()
    deadline = time.monotonic() + child.command.grace
    while child.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    child.kill()


def _drop(service: Service) -> None:
    with MongoClient[Json](service.database) as client:
        client.drop_database(service.name)
