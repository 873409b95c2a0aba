"""A list of tasks, read page by page for as long as it tells something."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from callback_service.domain.states import State
from callback_service.domain.ways import EACH_LIMIT, LARGEST_PAGE
from callback_service.relay.reconcile.asking import Asking


@dataclass
class Listing:
    """What was read of a list: to its end (`is_whole`), or until nothing more would be asked for.

    Or until the poll was over (`is_cut`).
    """

    states: dict[str, State] = field(default_factory=dict)
    pages: int = 0
    skipped: int = 0
    is_whole: bool = False
    is_cut: bool = False

    def read(
        self,
        asking: Asking,
        filters: Mapping[str, str],
        size: int,
        left: Callable[[Mapping[str, State]], int],
    ) -> None:
        """`left` counts the tasks that are looked for and are not among the states yet.

        Lists are newest first: a page without any of a few that are left means that they are old,
        and that asking for each is cheaper than to go on.
        """
        token, tokens, before = "", {""}, left(self.states)
        while not asking.is_over:
            page = asking.list(size, **filters, **({"page_token": token} if token else {}))
            self.pages += 1
            self.states.update(page.states)
            self.skipped += page.skipped
            token, size = page.next_token, LARGEST_PAGE
            # Some servers answer the last page's token again.
            if token in tokens:
                self.is_whole = True
                return
            tokens.add(token)
            now_left = left(self.states)
            if not now_left or (now_left == before and now_left <= EACH_LIMIT):
                return
            before = now_left
        self.is_cut = True
