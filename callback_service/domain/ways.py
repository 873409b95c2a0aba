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
# Up to so many open tasks a list tells nothing that is worth its items.
FEW = 2
PAGE, LARGEST_PAGE = 256, 2047


class Way(StrEnum):
    """How a server is asked.

    `EACH`: a GET for each task that is due. `TAGGED`: the list of what the gateway
    has forwarded. `STATES`: the same, for each state that open tasks are believed to be in;
    what is in none of them has changed. `ALL`: the list of all tasks, newest first.
    """

    EACH = "each"
    TAGGED = "tagged"
    STATES = "states"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Needs:
    """How many tasks are open and how many are due, and of which kinds.

    `untagged` and `ended` (as a callback told) are due; `states` are those of the tagged.
    """

    open: int
    due: int
    untagged: int
    ended: int
    states: tuple[State, ...]


def needs_of(unsettled: Iterable[Unsettled], due: Iterable[Unsettled]) -> Needs:
    all_ids = {task.key.task_id for task in unsettled}
    by_id = {task.key.task_id: task for task in due}
    return Needs(
        open=len(all_ids),
        due=len(by_id),
        untagged=sum(not task.is_tagged for task in by_id.values()),
        ended=sum(task.is_tagged and task.state.is_final for task in by_id.values()),
        states=tuple(sorted(believed_states(unsettled))),
    )


def believed_states(unsettled: Iterable[Unsettled]) -> set[State]:
    """The states of which the tagged tasks are that have not ended."""
    return {task.state for task in unsettled if task.is_tagged and not task.state.is_final}


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
        # A task whose state is not known yet is in the list of none.
        if needs.states and State.UNKNOWN not in needs.states:
            asked = listed.get(Way.STATES, len(needs.states))
            found[Way.STATES] = asked + needs.untagged + needs.ended
    return found


def cheapest(needs: Needs, found: Mapping[Way, float]) -> Way:
    """Of those that cost the same the one that tells most: lists tell of all open tasks."""
    lists = [Way.TAGGED, Way.ALL, Way.STATES]
    order = [Way.EACH, *lists] if needs.open <= FEW else [*lists, Way.EACH]
    return min((way for way in order if way in found), key=lambda way: found[way])


def page_size(expected: int) -> int:
    """Twice as much as is expected, for there are others among them; servers take up to 2047."""
    return min(max(2 * expected, PAGE), LARGEST_PAGE)
