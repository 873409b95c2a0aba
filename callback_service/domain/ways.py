"""The ways to learn how tasks stand, and which of them is the cheapest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from callback_service.domain.freshness import Unsettled
from callback_service.domain.states import State

# Tasks that are asked for one by one in one poll.
EACH_LIMIT = 10
# Items of a list that cost a server and us about as much as a request does.
ITEMS = 1024
# So few open tasks are not worth a list.
FEW = 2
PAGE, LARGEST_PAGE = 256, 2047


class Way(StrEnum):
    """How a server is asked.

    `EACH`: a GET for each task that is due. `TAGGED`: the list of what the gateway
    has forwarded. `STATES`: a list for each state that open tasks are believed to be in;
    what is in none of them has changed. `ALL`: the list of all tasks, newest first.
    """

    EACH = "each"
    TAGGED = "tagged"
    STATES = "states"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Needs:
    """How many tasks are open and how many are due, and of which kinds.

    `untagged` are due; `alone`, too: those that are in no list by state. `states` are those
    that open tasks are believed to be in.
    """

    open: int
    due: int
    untagged: int
    alone: int
    states: tuple[State, ...]


def needs_of(unsettled: Iterable[Unsettled], due: Iterable[Unsettled]) -> Needs:
    by_id = {task.key.task_id: task for task in due}
    return Needs(
        open=len({task.key.task_id for task in unsettled}),
        due=len(by_id),
        untagged=sum(not task.is_tagged for task in by_id.values()),
        alone=sum(not is_listed_by_state(task.state) for task in by_id.values()),
        states=tuple(sorted({task.state for task in unsettled if is_listed_by_state(task.state)})),
    )


def is_listed_by_state(state: State) -> bool:
    """Those that ended are too many; and a task of which nothing is known is in any list."""
    return not state.is_final and state is not State.UNKNOWN


def costs(
    needs: Needs, *, lists: bool, narrows: bool, listed: Mapping[Way, float]
) -> dict[Way, float]:
    """About how many requests each way would cost.

    `lists` and `narrows`: whether the server does. `listed`: what its lists cost lately, for
    they may be long; one that was not tried for a while is thought to be short.
    """
    found = {Way.EACH: float(needs.due)}
    if not lists:
        return found
    found[Way.ALL] = listed.get(Way.ALL, 1)
    if narrows and needs.untagged < needs.due:
        found[Way.TAGGED] = listed.get(Way.TAGGED, 1) + needs.untagged
    if narrows and needs.states:
        found[Way.STATES] = listed.get(Way.STATES, len(needs.states)) + needs.alone
    return found


def cheapest(needs: Needs, found: Mapping[Way, float]) -> Way:
    """Of those that cost the same the one that tells most: lists tell of all open tasks."""
    if needs.open <= FEW:
        return Way.EACH
    order = [Way.TAGGED, Way.ALL, Way.STATES, Way.EACH]
    return min((way for way in order if way in found), key=lambda way: found[way])


def page_size(expected: int) -> int:
    """Twice as much as is expected, for there are others among them; servers take up to 2047."""
    return min(max(2 * expected, PAGE), LARGEST_PAGE)
