"""`callback-service up`, and what can be seen of it from outside."""

import re
import signal

import requests

from tests.e2e.conditions import until
from tests.e2e.processes import COMMAND, Process
from tests.e2e.system import Client
from tests.embedded.conftest import all_pids, environ_of
from tests.ports import free_port

# It is to be ready in under 5 s, which a busy machine may not do.
READY_WITHIN = 30


class Up(Process):
    def __init__(self, folder, command=COMMAND):
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._mark = f"E2E_UP={folder}"
        line = (*command, "up", "--port", str(self.port), "--data", str(self.data))
        name, value = self._mark.split("=")
        super().__init__("up", line, folder / "up.log", {name: value})

    def start_and_wait(self):
        self.log.unlink(missing_ok=True)
        self.start()
        until(lambda: "Ctrl-C stops it" in self.text() or not self.is_alive, READY_WITHIN)
        assert self.is_alive, self.text()
        self.client = Client(self.url, (self.data / "api-token").read_text().strip())
        assert requests.get(f"{self.url}/readyz", timeout=10).status_code == 200
        return self

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(30)

    def left(self):
        """What still runs of everything that it started, however indirectly."""
        return [pid for pid in all_pids() if self._mark.encode() in environ_of(pid)]

    @property
    def database_uri(self):
        """What it told its parts; another one with each start."""
        told = (environ_of(pid) for pid in self.left())
        uris = {uri for environ in told for uri in re.findall(rb"MONGO_URI=([^\0]+)", environ)}
        return uris.pop().decode()

    def texts(self):
        return {path.name: path.read_text() for path in (self.data / "logs").iterdir()}
