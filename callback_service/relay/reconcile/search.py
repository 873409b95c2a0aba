"""One poll's search for the states of tasks, on the way that seems the cheapest."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from callback_service.domain.errors import ServerFailed
from callback_service.domain.polling import Filters
from callback_service.domain.states import State
from callback_service.domain.ways import (
    EACH_LIMIT,
    LARGEST_PAGE,
    Way,
    is_listed_by_state,
    page_size,
)
from callback_service.relay.reconcile.asking import Asking, NoList, Silent
from callback_service.relay.reconcile.errand import Errand
from callback_service.relay.reconcile.listing import Listing
from callback_service.relay.reconcile.means import Means
from callback_service.relay.reconcile.memory import Memory
from callback_service.relay.reconcile.seen import Seen

# So many requests a list costs that does not lead anywhere.
USELESS = 1000
# After so many failures of its lists a server is first asked for one task.
DOUBTED = 3


class Search:
    """What was found stands in `seen` and `filters`, also where `run` raised `ServerFailed`."""

    def __init__(self, asking: Asking, errand: Errand, memory: Memory, means: Means) -> None:
        self._asking = asking
        self._way = errand.way
        self._unsettled = errand.unsettled
        # Owners may share a task of the server: it is asked for once.
        self._due = dict.fromkeys(task.key.task_id for task in errand.due)
        self._memory = memory
        self._tag = {"tag_key": means.terms.tag.key, "tag_value": means.terms.tag.value}
        self._clock = means.clock
        self._chance = means.chance
        self.filters = errand.server.polling.filters
        self.seen = Seen()

    def run(self) -> None:
        if self._way is not Way.EACH:
            self._read_lists()
        self._ask_each(EACH_LIMIT)

    def _ask_each(self, limit: int) -> None:
        for task_id in self._left(self._due)[:limit]:
            if self._asking.is_over:
                return
            try:
                state = self._asking.get(task_id)
            except Silent:
                self.seen.silent.add(task_id)
            except ServerFailed:
                # Should it be the task, the next poll begins with another one.
                self.seen.silent.add(task_id)
                raise
            else:
                self.seen.note(task_id, state)

    def _left(self, task_ids: Iterable[str]) -> list[str]:
        return [task_id for task_id in task_ids if not self.seen.has(task_id)]

    def _read_lists(self) -> None:
        memory, is_doubted = self._memory, self._memory.list_failures >= DOUBTED
        if is_doubted:
            # It raises where the server is down. If not, it is the lists that do not work.
            self._ask_each(1)
        try:
            self._read()
            memory.list_failures = 0
        except NoList:
            memory.has_no_lists(self._clock.now())
        except ServerFailed:
            memory.list_failures += 1
            if not is_doubted:
                raise
            memory.has_no_lists(self._clock.now())

    def _read(self) -> None:
        if self._way is Way.ALL or not self._read_narrowed():
            self._read_all()

    def _read_narrowed(self) -> bool:
        """False where it did not help; then the server's filters are not believed any more."""
        try:
            if self._way is Way.STATES and self._read_states():
                return True
            if not any(task.is_tagged for task in self._unsettled):
                self._read_all()
                return True
            if self._read_tagged():
                return True
        except NoList:
            # It says openly that it has no filters.
            pass
        self.filters = Filters.IGNORED
        return False

    def _read_all(self) -> None:
        listing = self._list(Way.ALL, {}, self._due)
        if self._should_try_filters(listing):
            self.filters = self._try_filters()

    def _should_try_filters(self, listing: Listing) -> bool:
        """On a server that has just listed tasks, an empty list can only mean one thing."""
        if self.filters is Filters.HONOURED or not listing.states or self._asking.is_over:
            return False
        now = self._clock.now()
        if self.filters is Filters.IGNORED and not self._memory.should_try_filters(now):
            return False
        return listing.pages > 1 or any(task.is_tagged for task in self._unsettled)

    def _try_filters(self) -> Filters:
        """Ask for a tag that no task has."""
        self._memory.tried_at = self._clock.now()
        nobodys = f"nobody-{int(self._chance() * 10**12):x}"
        try:
            page = self._asking.list(1, tag_key=self._tag["tag_key"], tag_value=nobodys)
        except NoList:
            return Filters.IGNORED
        return Filters.IGNORED if page.states or page.skipped else Filters.HONOURED

    def _read_states(self) -> bool:
        """False where too much has changed, or the filter is ignored: ask without it."""
        requests = 0
        tag = self._tag if all(task.is_tagged for task in self._unsettled) else {}
        for state, believed in sorted(self._ids_by_state().items()):
            listing = self._list(Way.STATES, {**tag, "state": str(state)}, believed)
            requests += listing.pages
            others = sum(seen is not state for seen in listing.states.values())
            # One may have moved on while the server made the list.
            if 2 * others > len(listing.states):
                self._memory.note_list(Way.STATES, USELESS, 0, self._clock.now())
                return False
            if not listing.is_cut:
                # They have moved on, or ended.
                gone = [task_id for task_id in believed if not self.seen.has(task_id)]
                self._due = dict.fromkeys([*gone, *self._due])
        self._memory.note_list(Way.STATES, requests, 0, self._clock.now())
        return len(self._left(self._due)) <= EACH_LIMIT

    def _ids_by_state(self) -> dict[State, set[str]]:
        ids: dict[State, set[str]] = defaultdict(set)
        for task in self._unsettled:
            if is_listed_by_state(task.state):
                ids[task.state].add(task.key.task_id)
        return ids

    def _read_tagged(self) -> bool:
        """False where the list knows nothing of the tag that the gateway gave its tasks."""
        ids = {task.key.task_id for task in self._unsettled if task.is_tagged} & self._due.keys()
        listing = self._list(Way.TAGGED, self._tag, ids)
        return not listing.is_whole or len(self._left(ids)) <= EACH_LIMIT

    def _list(self, way: Way, filters: Mapping[str, str], ids: Iterable[str]) -> Listing:
        def left(states: Mapping[str, State]) -> int:
            return sum(task_id not in states for task_id in ids)

        listing, now = Listing(), self._clock.now()
        is_long = self._memory.listed(now).get(way, 1) > 1
        size = LARGEST_PAGE if is_long else page_size(len(self._unsettled))
        try:
            listing.read(self._asking, filters, size, left)
        finally:
            self.seen.states |= listing.states
            self.seen.skipped += listing.skipped
        # Where it was cut short, more requests must be saved before it is worth it to begin.
        more = listing.pages if listing.is_cut else min(left(listing.states), EACH_LIMIT)
        self._memory.note_list(way, listing.pages + more, len(listing.states), now)
        return listing
