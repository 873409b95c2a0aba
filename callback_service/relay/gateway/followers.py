"""The runs that a new task belongs to: one that its client names, and that of its callback URL."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.callback_run import another_callback_run, callback_run, callback_sink
from callback_service.domain.errors import Conflict, InvalidInput, Unavailable, Unknown
from callback_service.domain.run import Run
from callback_service.domain.sink import check_http_sink
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.ports import Clock, Runs
from callback_service.relay.register import Registrar

# Of a run's id, as in the contract: nothing longer is looked up, or said again.
_LONGEST_ID = 64


@dataclass(frozen=True, slots=True)
class Wish:
    """Who is to be told. `is_lost`: it could not be looked up, so somebody will not be."""

    runs: Sequence[Run] = ()
    callback_url: str | None = None
    is_lost: bool = False

    @property
    def is_none(self) -> bool:
        return not self.runs and self.callback_url is None and not self.is_lost


class Followers:
    def __init__(
        self,
        runs: Runs,
        registrar: Registrar,
        policy: AddressPolicy,
        breaker: Breaker,
        clock: Clock,
    ) -> None:
        self._runs = runs
        self._registrar = registrar
        self._policy = policy
        self._breaker = breaker
        self._clock = clock

    def wish(self, visit: Visit, run_id: str | None, callback_url: str | None) -> Wish:
        """Changes nothing. Raises `InvalidInput` or `Unknown` where it cannot be granted."""
        if callback_url is not None:
            self._check(callback_url)
        if run_id is None:
            return Wish(callback_url=callback_url)
        if len(run_id) > _LONGEST_ID:
            raise Unknown("no run has an id that is so long; see the answer to its registration")
        try:
            run = self._breaker.call(self._registrar.find, visit.owner, run_id)
        except Unavailable:
            return Wish(callback_url=callback_url, is_lost=True)
        if run.server != visit.server.key:
            raise InvalidInput(
                "X-Run-Id", f"is a run of server {run.server!r}, not of {visit.server.key!r}"
            )
        return Wish([run], callback_url)

    def grant(self, visit: Visit, wish: Wish) -> Iterable[Run]:
        """The runs, all of them there. Raises `Unavailable`."""
        if wish.callback_url is None:
            return wish.runs
        return [*wish.runs, self._run_of(visit, wish.callback_url)]

    def _run_of(self, visit: Visit, url: str) -> Run:
        now = self._clock.now()
        meant = callback_run(visit.owner, visit.server.key, url, now)
        found = self._find_or_add(meant)
        if found.is_open(now):
            return found
        another = another_callback_run(visit.owner, visit.server.key, url, now)
        self._breaker.call(self._runs.add, another)
        return another

    def _find_or_add(self, run: Run) -> Run:
        found = self._breaker.call(self._runs.find, [run.id]).get(run.id)
        if found:
            return found
        with suppress(Conflict):
            # Else somebody else made it at this moment, and it is the same one.
            self._breaker.call(self._runs.add, run)
        return run

    def _check(self, url: str) -> None:
        try:
            check_http_sink(callback_sink(url), self._policy)
        except InvalidInput as error:
            raise InvalidInput("callback_url", error.reason) from None
