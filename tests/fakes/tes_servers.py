from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urljoin, urlsplit

from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from callback_service.relay.ports import Clock, Question, Reply
from callback_service.tes_sim.core import SimulatedServer

BASES = ("/ga4gh/tes/v1", "/v1", "")


@dataclass(frozen=True)
class Put:
    """A question, to which server it was put, and what was shown there."""

    server: str
    question: Question
    authorization: str | None


@dataclass
class FakeTesServers:
    """Simulated servers by their keys, without sockets, by the clock of the test.

    Those in `down` refuse connections, those in `late` never answer. `credentials` are header
    values by name. `meanwhile` is called after a server answered and before the answer is there.
    """

    clock: Clock
    cores: dict[str, SimulatedServer]
    credentials: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 8.0
    max_response: int = 32 * 2**20
    down: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    put: list[Put] = field(default_factory=list)
    meanwhile: Callable[[Put], None] = lambda put: None

    def ask(self, server: Server, question: Question) -> Reply:
        put = Put(server.key, question, self._shown(server, question))
        self.put.append(put)
        core = self.cores.get(server.key)
        if core is None or server.key in self.down:
            raise ServerFailed(f"the TES server {server.key} refuses connections")
        if server.key in self.late:
            raise self._too_late(server)
        path = f"{_base(server, core)}{question.path}"
        reply = core.answer(
            question.method,
            path,
            parse_qsl(question.query, keep_blank_values=True),
            question.body,
            put.authorization,
            now=self.clock.now(),
        )
        self.meanwhile(put)
        manner = reply.manner
        if manner.hangs_up:
            raise ServerFailed(f"the TES server {server.key} closed the connection")
        if manner.delay + manner.drip * len(reply.body) >= self.timeout:
            raise self._too_late(server)
        if manner.endless or len(reply.body) > self.max_response:
            reason = f"answered more than {self.max_response} bytes"
            raise ServerFailed(f"the TES server {server.key} {reason}")
        headers = {name.lower(): value for name, value in reply.headers.items()}
        if 301 <= reply.status <= 308 and reply.status != 304:
            to = urlsplit(urljoin(server.url, headers["location"]))
            raise ServerFailed(
                f"the TES server {server.key} redirects to {to.netloc.rpartition('@')[2]}"
            )
        return Reply(reply.status, reply.body, headers)

    def close(self) -> None:
        pass

    def _shown(self, server: Server, question: Question) -> str | None:
        if question.authorization is not None:
            return question.authorization
        if question.is_callers or server.credentials is None:
            return None
        if server.credentials not in self.credentials:
            raise ServerFailed(f"there are no credentials {server.credentials}")
        return self.credentials[server.credentials]

    def _too_late(self, server: Server) -> ServerFailed:
        reason = f"did not answer within {self.timeout:g} s"
        return ServerFailed(f"the TES server {server.key} {reason}", is_late=True)


def _base(server: Server, core: SimulatedServer) -> str:
    path = urlsplit(server.url).path
    if path.endswith("/v1"):
        return path
    for base in BASES:
        if base in core.profile.prefixes:
            return path + base
    raise ServerFailed(f"the TES server {server.key} does not answer as one")
