"""How many deliveries are under way at once: the silence of hosts must not fill every place."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager


class Lanes:
    """`total` places in all: one host takes `per_host` at most, and retries three quarters."""

    def __init__(self, total: int, per_host: int) -> None:
        self._places = asyncio.Semaphore(total)
        # Many hosts that hang would take them all, each no more than its share.
        self._again = asyncio.Semaphore(max(1, total * 3 // 4))
        self._per_host = per_host
        self._lanes: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def take(self, host: str, *, is_retry: bool = False) -> AsyncIterator[bool]:
        """A place, for as long as it is used; says whether it had to be waited for."""
        lane = self._lanes.setdefault(host, asyncio.Semaphore(self._per_host))
        self._users[host] += 1
        try:
            # The lane first: who waits for a host must not hold a place meanwhile.
            ways = [lane, *([self._again] if is_retry else []), self._places]
            must_wait = False
            async with AsyncExitStack() as stack:
                for way in ways:
                    must_wait |= way.locked()
                    await stack.enter_async_context(way)
                yield must_wait
        finally:
            self._users[host] -= 1
            if not self._users[host]:
                del self._users[host], self._lanes[host]
