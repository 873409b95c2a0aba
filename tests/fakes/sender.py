from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from callback_service.domain.delivery import Answer, Item
from callback_service.domain.run import Failing, Run
from callback_service.domain.sink import Sink

ACCEPTED = Answer(status=204, latency=0.01)


@dataclass(frozen=True)
class Sent:
    """What one call was given."""

    run_id: str
    sink: Sink
    webhook_id: str
    items: tuple[Item, ...]
    at: datetime


@dataclass(frozen=True)
class Failed:
    """What one call to `fail` was given."""

    run_id: str
    sink: Sink
    webhook_id: str
    failing: Failing


@dataclass
class FakeSender:
    """Gives the scripted answers of a run in turn, then accepts everything.

    `meanwhile` is called before each answer: what happens while a receiver takes its time.
    """

    sent: list[Sent] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    meanwhile: Callable[[Sent], None] = lambda sent: None
    _answers: defaultdict[str, deque[Answer | Exception]] = field(
        default_factory=lambda: defaultdict(deque)
    )

    def script(self, run_id: str, *answers: Answer | Exception) -> None:
        self._answers[run_id].extend(answers)

    def sent_to(self, run_id: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.run_id == run_id]

    def items_of(self, run_id: str) -> list[Item]:
        """Everything the run was sent, in order, refused deliveries included."""
        return [item for sent in self.sent_to(run_id) for item in sent.items]

    async def send(
        self, run: Run, sink: Sink, webhook_id: str, items: Sequence[Item], at: datetime
    ) -> Answer:
        sent = Sent(run.id, sink, webhook_id, tuple(items), at)
        self.sent.append(sent)
        self.meanwhile(sent)
        return self._answer(run)

    async def fail(
        self, run: Run, sink: Sink, webhook_id: str, failing: Failing, at: datetime
    ) -> Answer:
        self.failed.append(Failed(run.id, sink, webhook_id, failing))
        return self._answer(run)

    def _answer(self, run: Run) -> Answer:
        answers = self._answers[run.id]
        answer = answers.popleft() if answers else ACCEPTED
        if isinstance(answer, Exception):
            # A worker that dies while it sends.
            raise answer
        return answer
