"""How many deliveries are under way at once, so that no host's silence fills every place."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lanes:
    """`total` places in all, of which one host takes at most `per_host`."""

    def __init__(self, total: int, per_host: int) -> None:
        self._places = asyncio.Semaphore(total)
        self._per_host = per_host
        self._lanes: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def take(self, host: str) -> AsyncIterator[bool]:
        """A place, for as long as it is used; says whether it had to be waited for."""
        lane = self._lanes.setdefault(host, asyncio.Semaphore(self._per_host))
        self._users[host] += 1
        try:
            # The lane first: who waits for a host must not hold a place meanwhile.
            must_wait = lane.locked()
            async with lane:
                must_wait |= self._places.locked()
                async with self._places:
                    yield must_wait
        finally:
            self._users[host] -= 1
            if not self._users[host]:
                del self._users[host], self._lanes[host]
