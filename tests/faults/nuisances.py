"""Receivers that are a nuisance, each kind on a host of its own, and mended at will."""

import asyncio
from collections.abc import Mapping

from tests.e2e.conditions import until
from tests.faults.receivers import Manner
from tests.faults.world import DATABASE, World

# By RFC 2606 no such name will ever resolve.
_NOBODY = "http://nobody.invalid/"
# Seconds between two bytes that drip.
_DRIP = 0.2
# What an endless answer is made of; it goes out as fast as it is taken.
_MUCH = b"on and on and on " * 1000
# How many seconds each attempt waits: enough of them for the longest disturbance.
_SCHEDULE = (0, 1, 1, *[2] * 17)


def say_without_end(to: asyncio.Transport, _status: int) -> None:
    """A status, and a body that nobody should wait to see the end of."""
    to.write(b"HTTP/1.1 200 -\r\n\r\n")
    _pour(to)


def _pour(to: asyncio.Transport) -> None:
    if to.is_closing():
        return
    if not to.get_write_buffer_size():
        to.write(_MUCH)
    asyncio.get_running_loop().call_later(0.01, _pour, to)


def say_by_drops(to: asyncio.Transport, _status: int) -> None:
    """An answer that always goes on, and never comes as far as its body."""
    to.write(b"HTTP/1.1 200 -\r\nX-Patience: ")
    _drip(to)


def _drip(to: asyncio.Transport) -> None:
    if not to.is_closing():
        to.write(b".")
        asyncio.get_running_loop().call_later(_DRIP, _drip, to)


def manners(patience: float) -> Mapping[str, Manner]:
    """`patience`: seconds that the service gives to a whole delivery."""
    return {
        # Just in time.
        "stalling": Manner(delay=patience - 0.1),
        "resetting": Manner(hanging_up=1.0),
        # It never sees the deliveries that it would be a nuisance to.
        "unresolved": Manner(),
        "endless": Manner(say=say_without_end),
        # Nobody takes it for an answer: in the books it is none.
        "dripping": Manner(hanging_up=1.0, say=say_by_drops),
    }


class Nuisances:
    """So many runs of each kind; they behave well until they are to begin."""

    def __init__(self, world: World, each: int, patience: float) -> None:
        self._world = world
        self._manners = manners(patience)
        self._urls = {kind: world.receivers.another() for kind in self._manners}
        self._by_kind = {
            kind: [f"{kind}-{number:02d}" for number in range(1, each + 1)]
            for kind in self._manners
        }
        for kind, names in self._by_kind.items():
            for name in names:
                self._register(name, self._urls[kind] + name)

    def _register(self, name: str, url: str) -> None:
        run = self._world.system.client.register(url, retry_schedule=_SCHEDULE)
        self._world.receivers.trust(name, run.secret)
        self._world.runs[name] = run

    @property
    def kinds(self) -> list[str]:
        return list(self._manners)

    @property
    def names(self) -> list[str]:
        return [name for names in self._by_kind.values() for name in names]

    def begin(self) -> None:
        for kind, manner in self._manners.items():
            self._world.receivers.behave(manner, self._by_kind[kind])
        self._lead(_NOBODY)

    def end(self) -> None:
        """Mend them, and wait until nothing is left of what they did."""
        self._world.receivers.behave(Manner(), self.names)
        self._lead(self._urls["unresolved"])
        until(lambda: not self._are_under_way(), within=60)

    def _lead(self, url: str) -> None:
        """Have those whose name does not resolve told there."""
        client = self._world.system.client
        for name in self._by_kind["unresolved"]:
            sink = {"type": "http", "url": url + name, "format": "batch"}
            assert client.ask("PATCH", self._world.runs[name].path, {"sink": sink}).ok

    def _are_under_way(self) -> bool:
        """Whether anybody waits for one of them, will try it again, or waits because of them."""
        ids = {self._world.runs[name].id for name in self.names}
        with self._world.system.database.client() as client:
            runs = list(client[DATABASE]["runs"].find({"_id": {"$in": list(ids)}}))
            debts = client[DATABASE]["tasks"].count_documents({"owed": {"$ne": []}})
        # What the others are owed comes and goes.
        many = len(self._world.runs) - len(ids)
        return debts > many or any(one["lease"]["holder"] or one["next_attempt_at"] for one in runs)

    def are_looked_up(self) -> bool:
        """Whether somebody has tried to find one whose name does not resolve."""
        runs = (self._world.runs[name] for name in self._by_kind["unresolved"])
        return any("not resolve" in run.show().get("last_error", "") for run in runs)
