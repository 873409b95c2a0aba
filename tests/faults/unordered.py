"""The book of a task whose callbacks come in any order, and more than once."""

from callback_service.domain.states import FINAL
from tests.faults.beliefs import at, belief
from tests.faults.book import Book
from tests.faults.records import Attempt

# Seconds: the database keeps milliseconds.
_ROUNDED = 0.005
# A belief has its time before it is written (`database.timeout`): until then the one before holds.
_WRITING = 2.0


class UnorderedBook(Book):
    """In no order that could be compared: but what was acknowledged was believed at the time."""

    def lost(self) -> list[str]:
        return [one.state for one in self.acknowledged if not self._was_heard(one)]

    def _was_heard(self, one: Attempt) -> bool:
        """Whether it was believed while it was under way, or came after the end."""
        turns = belief(self.stored)
        believed = at(turns, one.sent_at - _WRITING, one.answered_at + _ROUNDED)
        return one.state in believed or not believed.isdisjoint(FINAL)
