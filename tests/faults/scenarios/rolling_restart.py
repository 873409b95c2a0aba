"""Promise 11: a rolling restart under load is noticed by nobody."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.e2e.processes import Api, Process
from tests.faults.fleet import Sending
from tests.faults.judge import judge
from tests.faults.ledger import Ledger
from tests.faults.receivers import Manner
from tests.faults.records import Attempt
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import World, running_world

# Seconds: ten for what is under way (`shutdown_grace`, `gateway.grace`), and some to end.
_GRACE = 15.0
# Seconds for which a callback is under way that began before its API was told to stop.
_UNDER_WAY = 0.5
# Of what is sent, so much may be answered 503: for a database on a busy machine.
_REFUSED = 0.02
# Requests may cross the end of a kept connection that was silent for a while, or come to a listener
# that closes. They are over at once, and few with each API that stops; what was cut off is neither.
_CROSSING = 0.5
_CROSSINGS = 12


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    rounds: int


FULL = Size(rate=100, rounds=5)
QUICK = Size(rate=30, rounds=1)


@dataclass
class Restarts:
    """`took`: seconds that each process needed to end. `unanswered`: callbacks that were cut."""

    world: World
    took: list[float] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    stopped_apis: int = 0

    def restart(self, process: Process) -> None:
        self.world.befall()
        if isinstance(process, Api):
            self._stop_amid(process)
        else:
            self._stop(process)
        process.start()
        if isinstance(process, Api):
            process.until_ready()

    def _stop(self, process: Process) -> None:
        began = time.monotonic()
        assert process.terminate(within=60) == 0, process.text()
        self.took.append(time.monotonic() - began)

    def _stop_amid(self, api: Api) -> None:
        """One callback is half said when it is told to stop; the rest follows."""
        self.stopped_apis += 1
        url = urlsplit(self.world.runs[min(self.world.runs)].callback_url)
        body = json.dumps({"id": f"under-way-{self.stopped_apis}", "state": "RUNNING"}).encode()
        head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", api.port), timeout=_GRACE) as line:
            line.sendall(head.encode() + body[:5])
            time.sleep(_UNDER_WAY)
            os.kill(api.pid, signal.SIGTERM)
            time.sleep(_UNDER_WAY)
            said = _finish(line, body[5:])
        if said[9:12] not in {b"204", b"503"}:
            self.unanswered.append(f"{api.name} cut off a callback that was under way")
        self._stop(api)


def _finish(line: socket.socket, rest: bytes) -> bytes:
    try:
        line.sendall(rest)
        return line.recv(1000)
    except OSError:
        return b""


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    with running_world(stage, runs=5) as world:
        # So that there always is something under way.
        world.receivers.behave(Manner(delay=0.5), sorted(world.runs))
        restarts = Restarts(world)
        with world.loaded(size.rate, seconds=600) as fleet:
            for _ in range(size.rounds):
                for process in (*world.system.apis, *world.system.workers):
                    _wait_a_second(fleet)
                    restarts.restart(process)
            fleet.finish()
            settled = world.settle(fleet)
        totals, cut = settled.ledger.totals(), _cut(settled.ledger)
        longest = max(restarts.took)
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s",
            faults=f"{size.rounds} times SIGTERM and start of each API and each worker, in turn",
            figures=f"ended in {longest:.0f} s at most; {totals.refused} callbacks refused, "
            f"{totals.unanswered - len(cut)} not taken, {len(cut)} crossed the end of a connection",
            violations=[
                *([f"{totals.repeated} updates were told twice"] if totals.repeated else []),
                *([f"somebody took {longest:.0f} s to end"] if longest > _GRACE else []),
                *restarts.unanswered,
                *_noticed(cut, restarts),
                *_refused(totals.refused, totals.sent),
            ],
        )


def _wait_a_second(fleet: Sending) -> None:
    fleet.until_sent(fleet.progress().sent + fleet.load.rate)


def _cut(ledger: Ledger) -> list[Attempt]:
    return [one for book in ledger.books for one in book.attempts if one.is_cut]


def _noticed(cut: Sequence[Attempt], restarts: Restarts) -> Iterator[str]:
    late = sum(one.answered_at - one.sent_at > _CROSSING for one in cut)
    if late:
        yield f"{late} callbacks were cut off"
    if len(cut) > _CROSSINGS * restarts.stopped_apis:
        yield f"{len(cut)} callbacks came to nothing as {restarts.stopped_apis} APIs stopped"


def _refused(refused: int, sent: int) -> list[str]:
    return [f"{refused} callbacks were refused"] if refused > _REFUSED * sent else []


SCENARIO = Scenario(
    "rolling-restart",
    11,
    "A rolling restart under load: what is under way is finished, and nothing is told twice.",
    play,
    broken=("stops_at_once", "cuts_off", "answers_500"),
)
