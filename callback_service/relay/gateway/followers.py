"""The runs that a new task belongs to: one that its client names, and that of its callback URL."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.callback_run import another_callback_run, callback_run, callback_sink
from callback_service.domain.capability import opens, run_id_of
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
    def owner(self) -> str | None:
        """Of a run that is to be told. It may be another owner's than the caller's own tasks.

        A server calls back for one owner only, and it is runs that must be told at once.
        """
        return self.runs[0].owner if self.runs else None

    @property
    def is_none(self) -> bool:
        return not self.runs and self.callback_url is None and not self.is_lost


@dataclass(frozen=True, slots=True)
class Followers:
    """`own_url`: the service as it is reached, by which its own callback URLs are known."""

    runs: Runs
    registrar: Registrar
    policy: AddressPolicy
    breaker: Breaker
    clock: Clock
    own_url: str | None

    def wish(self, visit: Visit, run_id: str | None, callback_url: str | None) -> Wish:
        """Changes nothing. Raises `InvalidInput` or `Unknown` where it cannot be granted."""
        token = self._own_token(callback_url)
        if token is not None:
            # Else it would be a sink that posts to ourselves.
            callback_url = None
        if callback_url is not None:
            self._check(callback_url)
        try:
            named = [] if token is None else [self._run_behind(token, visit)]
            if run_id is not None:
                named.append(self._run_named(run_id, visit))
        except Unavailable:
            return Wish(callback_url=callback_url, is_lost=True)
        return Wish(named, callback_url)

    def _own_token(self, callback_url: str | None) -> str | None:
        if self.own_url is None or callback_url is None:
            return None
        own = f"{self.own_url.rstrip('/')}/callbacks/"
        return callback_url.removeprefix(own) if callback_url.startswith(own) else None

    def _run_named(self, run_id: str, visit: Visit) -> Run:
        if len(run_id) > _LONGEST_ID:
            raise Unknown("no run has an id that is so long; see the answer to its registration")
        run = self.breaker.call(self.registrar.find, visit.owner, run_id)
        _check_server("X-Run-Id", run, visit)
        return run

    def _run_behind(self, token: str, visit: Visit) -> Run:
        """Whoever has a run's callback URL may add tasks to it, as their callbacks would."""
        now, run_id = self.clock.now(), run_id_of(token)
        run = self.breaker.call(self.runs.outlines, [run_id]).get(run_id)
        if run is None or not run.is_open(now) or not opens(run.tokens, token, now):
            raise InvalidInput("callback_url", "is one of this service, and no run has it")
        _check_server("callback_url", run, visit)
        return run

    def grant(self, visit: Visit, wish: Wish) -> Iterable[Run]:
        """The runs, all of them there. Raises `Unavailable`."""
        if wish.callback_url is None:
            return wish.runs
        return [*wish.runs, self._run_of(visit, wish.callback_url)]

    def _run_of(self, visit: Visit, url: str) -> Run:
        now = self.clock.now()
        meant = callback_run(visit.owner, visit.server.key, url, now)
        found = self._find_or_add(meant)
        if found.is_open(now):
            return found
        another = another_callback_run(visit.owner, visit.server.key, url, now)
        self.breaker.call(self.runs.add, another)
        return another

    def _find_or_add(self, run: Run) -> Run:
        found = self.breaker.call(self.runs.find, [run.id]).get(run.id)
        if found:
            return found
        with suppress(Conflict):
            # Else somebody else made it at this moment, and it is the same one.
            self.breaker.call(self.runs.add, run)
        return run

    def _check(self, url: str) -> None:
        try:
            check_http_sink(callback_sink(url), self.policy)
        except InvalidInput as error:
            raise InvalidInput("callback_url", error.reason) from None


def _check_server(field: str, run: Run, visit: Visit) -> None:
    if run.server != visit.server.key:
        raise InvalidInput(field, f"is a run of server {run.server!r}, not of {visit.server.key!r}")
