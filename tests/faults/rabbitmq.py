"""A RabbitMQ of one's own: a real process, on loopback, that can be killed and emptied."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.e2e.brokers import RabbitBroker
from tests.e2e.conditions import until
from tests.e2e.processes import Process
from tests.faults.scenario import Stage
from tests.ports import free_port
from tests.services import missing

# Where packages put the scripts that do not change to another user first.
_BESIDE = "/usr/lib/rabbitmq/bin"
_STARTING = 60.0


class OwnRabbitMq:
    """Fits where `tests.e2e.brokers` makes its own."""

    can_be_away = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "rabbitmq"
        self._folder.mkdir()
        self._port, self._mapper = free_port(), free_port()
        program = _find("rabbitmq-server")
        self._server = Process("rabbitmq", [program], folder / "rabbitmq.log", self._settings())
        mapper = [_find("epmd"), "-port", str(self._mapper), "-address", "127.0.0.1"]
        self._names = Process("epmd", mapper, folder / "epmd.log", {})

    @contextmanager
    def running(self) -> Iterator["OwnRabbitMq"]:
        self._names.start()
        try:
            self.start()
            yield self
        finally:
            self._server.end()
            self._names.end()

    @property
    def environ(self) -> dict[str, str]:
        return {"CELERY_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{self._port}//"}

    def start(self) -> None:
        if not self._server.is_alive:
            self._server.start()
        until(self._answers, _STARTING, self._server.text)

    def stop(self) -> None:
        """`kill -9` of the node and all that it started."""
        self._server.end()

    def replace(self) -> None:
        """As a supervisor would, who does not wait until it answers."""
        self._server.end()
        self._server.start()

    def wipe(self) -> None:
        """While it is away: it comes back as if it had been set up anew."""
        shutil.rmtree(self._folder / "data")

    def _answers(self) -> bool:
        # It says which protocol it wants to whoever does not say his.
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self._port), timeout=1) as one,
        ):
            one.sendall(b"HTTP/1.1")
            return one.recv(4) == b"AMQP"
        return False

    def _settings(self) -> dict[str, str]:
        own = self._folder
        (own / "none").touch()
        return {
            "PATH": f"{_BESIDE}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(own),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._mapper),
            "RABBITMQ_NODENAME": f"faults-{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(own / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(own / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(own / "data"),
            "RABBITMQ_LOG_BASE": str(own / "log"),
            "RABBITMQ_PID_FILE": str(own / "pid"),
            # Loopback for the nodes' own port too; no spinning schedulers beside the service.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
            "+sbwt none",
        }


def _find(program: str) -> str:
    found = shutil.which(program, path=f"{_BESIDE}{os.pathsep}{os.environ['PATH']}")
    return found or missing(f"RabbitMQ ({program})")


def rabbitmq_for(stage: Stage) -> Any:
    """One that is there already does for the short form: it is away for this system alone."""
    is_there = "TEST_RABBITMQ_URL" in os.environ
    return RabbitBroker if stage.is_quick and is_there else OwnRabbitMq
