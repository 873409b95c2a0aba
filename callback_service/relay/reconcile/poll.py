"""One poll of one server: ask, apply, and write down how it went."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from callback_service.domain.errors import ServerFailed
from callback_service.domain.polling import Polling
from callback_service.relay.reconcile.applying import News, apply, sightings
from callback_service.relay.reconcile.asking import Asking
from callback_service.relay.reconcile.errand import Errand
from callback_service.relay.reconcile.means import Means
from callback_service.relay.reconcile.memory import Memory
from callback_service.relay.reconcile.search import Search

log = logging.getLogger(__name__)

# However many are saved up.
MOST_REQUESTS = 50


class Poll:
    """`is_cut` says that the worker ends, or that the claim was lost."""

    def __init__(
        self, means: Means, errand: Errand, memory: Memory, is_cut: Callable[[], bool]
    ) -> None:
        self._means = means
        self._errand = errand
        self._memory = memory
        polling, terms = errand.server.polling, means.terms
        allowance = min(polling.allowance(means.clock.now(), terms.budget), MOST_REQUESTS)
        self._asking = Asking(means.tes_servers, errand.server, allowance, means.clock, is_cut)
        self._search = Search(self._asking, errand, memory, means)
        self._failure: ServerFailed | None = None

    def run(self) -> None:
        """Raises `Unavailable`: the claim runs out then, and the next poll sees the same."""
        try:
            self._search.run()
        except ServerFailed as error:
            self._failure = error
        answered_at = self._means.clock.now()
        seen = self._search.seen
        is_cover = self._failure is None and self._errand.is_covered_by(seen)
        # What was seen before a failure is true all the same.
        wanted = list(sightings(self._errand, seen, is_cover=is_cover))
        news = apply(self._means.observer, wanted)
        self._remember(answered_at, news)
        self._settle(answered_at)
        server = self._errand.server
        polling = self._polling(news, answered_at, is_cover=is_cover)
        self._means.servers.polled(server.key, server.polling.claim, polling)
        self._log(news)

    def _remember(self, now: datetime, news: News) -> None:
        patience, known = self._means.terms.patience, self._search.seen.known
        untold = self._errand.untold(self._search.seen) | news.unheard
        self._memory.keep_only(
            {task.key for task in self._errand.unsettled if task.key.task_id not in known}
        )
        if self._failure:
            self._memory.put_last(untold, now, patience)
        else:
            self._memory.put_tasks_off(untold, now, patience)

    def _settle(self, now: datetime) -> None:
        """An end that its server does not confirm for so long is taken for one."""
        known = self._search.seen.known
        ended = [
            task.key
            for task in self._errand.unsettled
            if task.is_given_up(now) and task.key.task_id not in known
        ]
        if ended:
            self._means.tasks.settle(ended)

    def _polling(self, news: News, answered_at: datetime, *, is_cover: bool) -> Polling:
        asking, began_at = self._asking, self._errand.began_at
        polling = (
            replace(self._errand.server.polling, filters=self._search.filters)
            .spend(asking.requests, answered_at, self._means.terms.budget)
            .learn(told=news.told, found=news.found)
        )
        if self._failure:
            return polling.fail(str(self._failure), answered_at, self._means.chance(), asking.wait)
        return polling.succeed(began_at, is_cover=is_cover, took=answered_at - began_at)

    def _log(self, news: News) -> None:
        errand, seen = self._errand, self._search.seen
        took = self._means.clock.now() - errand.began_at
        fields = {
            "server": errand.server.key,
            "way": str(errand.way),
            "requests": self._asking.requests,
            "open": len(errand.unsettled),
            "due": len(errand.due),
            "changed": news.changed,
            **({"skipped": seen.skipped} if seen.skipped else {}),
            "latency_ms": round(took.total_seconds() * 1000, 1),
            **({"error": str(self._failure)} if self._failure else {}),
        }
        level = logging.WARNING if self._failure else logging.INFO
        log.log(level, "server.polled", extra={"fields": fields})
