import asyncio
from collections import Counter
from collections.abc import Sequence

from callback_service.relay.lanes import Lanes

HERE, THERE = "here.example.org", "there.example.org"


class Uses:
    """Counts who is in a place, until the doors are opened."""

    def __init__(self, lanes: Lanes) -> None:
        self.inside: Counter[str] = Counter()
        self.waited: Counter[str] = Counter()
        self._lanes = lanes
        self._doors = asyncio.Event()

    async def use(self, host: str, *, is_retry: bool = False) -> None:
        async with self._lanes.take(host, is_retry=is_retry) as had_to_wait:
            self.inside[host] += 1
            self.waited[host] += had_to_wait
            await self._doors.wait()

    async def open(self) -> None:
        self._doors.set()


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def used(lanes: Lanes, *hosts: str, retrying: Sequence[str] = ()) -> Uses:
    """What it looks like when all have come, and after they have all gone; who retries is first."""

    async def story() -> Uses:
        uses = Uses(lanes)
        async with asyncio.TaskGroup() as group:
            for host in retrying:
                group.create_task(uses.use(host, is_retry=True))
            for host in hosts:
                group.create_task(uses.use(host))
            await settle()
            seen, uses.inside = uses.inside, Counter()
            await uses.open()
        uses.inside = seen
        return uses

    return asyncio.run(story())


def test_no_more_than_the_total_are_inside():
    uses = used(Lanes(3, 3), *(f"host-{number}" for number in range(10)))
    assert uses.inside.total() == 3


def test_a_host_takes_no_more_than_its_share():
    uses = used(Lanes(10, 2), *[HERE] * 20)
    assert uses.inside == {HERE: 2}


def test_a_host_that_hangs_leaves_places_to_the_others():
    uses = used(Lanes(10, 2), *[HERE] * 20, THERE, THERE)
    assert uses.inside[THERE] == 2


def test_any_number_of_hosts_that_failed_before_leave_places_to_who_did_not():
    uses = used(Lanes(8, 2), HERE, THERE, retrying=[f"host-{number}" for number in range(20)])
    assert uses.inside[HERE] == uses.inside[THERE] == 1
    assert uses.inside.total() == 8


def test_where_there_is_one_place_who_failed_has_a_turn_too():
    assert used(Lanes(1, 1), retrying=[HERE]).inside == {HERE: 1}


def test_who_had_to_wait_is_told_so():
    uses = used(Lanes(10, 2), *[HERE] * 5)
    assert uses.waited == {HERE: 3}


def test_hosts_that_nobody_uses_are_forgotten():
    lanes = Lanes(10, 2)
    used(lanes, HERE, THERE)
    assert vars(lanes)["_lanes"] == {}
