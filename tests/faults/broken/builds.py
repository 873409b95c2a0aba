"""What is broken, by the name of the build. Imports wait: gevent patches first."""

# ruff: noqa: PLC0415

import threading
from collections.abc import Callable


def acknowledges_first() -> None:
    """A callback is answered 204 a second before it is written."""
    from callback_service.relay.receive import Callback, Receiver
    from callback_service.wiring import intake

    class AcknowledgesFirst(Receiver):
        def receive(self, callback: Callback) -> None:
            threading.Timer(1.0, super().receive, args=[callback]).start()

    intake.Receiver = AcknowledgesFirst


def believes_in_luck() -> None:
    """A write that the database did not confirm counts as made."""
    from contextlib import suppress

    from callback_service.domain.errors import Unavailable
    from callback_service.relay.receive import Callback, Receiver
    from callback_service.wiring import intake

    class BelievesInLuck(Receiver):
        def receive(self, callback: Callback) -> None:
            with suppress(Unavailable):
                super().receive(callback)

    intake.Receiver = BelievesInLuck


def marks_first() -> None:
    """What is about to be sent counts as told."""
    from callback_service.relay.deliver import Deliverer
    from callback_service.wiring import telling

    class MarksFirst(Deliverer):
        async def _tell(self, run, batch):
            told = {item.key: item.update.seq for item in batch}
            await self._call(self.tasks.mark_told, run.id, told)
            return await super()._tell(run, batch)

    telling.Deliverer = MarksFirst


def tells_newest_first() -> None:
    from callback_service.relay.deliver import Deliverer
    from callback_service.wiring import telling

    class TellsNewestFirst(Deliverer):
        def _next_batch(self, run):
            return super()._next_batch(run)[::-1]

    telling.Deliverer = TellsNewestFirst


def forgets_generations() -> None:
    """Whoever writes to a run may, whoever holds its lease by now."""
    from importlib import import_module

    from callback_service.adapters.mongo.runs import MongoRuns

    class ForgetsGenerations(MongoRuns):
        def _end(self, condition, fields):
            return super()._end({"_id": condition["_id"]}, fields)

    # The package has a function of the module's name.
    import_module("callback_service.wiring.stores").MongoRuns = ForgetsGenerations


def never_sweeps() -> None:
    """What the broker lost is lost."""
    from callback_service.relay.sweep import Sweeper
    from callback_service.wiring import telling

    class NeverSweeps(Sweeper):
        def sweep(self) -> None:
            """Nobody looks after what is owed."""

    telling.Sweeper = NeverSweeps


def repeats_under_new_ids() -> None:
    """A receiver cannot tell a repeat from news."""
    from uuid import uuid4

    from callback_service.relay import deliver

    deliver.webhook_id = lambda _run, _items: f"msg_{uuid4().hex}"


def hurries() -> None:
    """Not broken: what comes each ten minutes comes each second."""
    from datetime import timedelta

    from callback_service.wiring import telling

    telling.FORGET_EVERY = telling.EXPIRE_EVERY = timedelta(seconds=1)


def never_forgets() -> None:
    """What nobody needs any more stays."""
    from callback_service.relay.sweep import Expirer
    from callback_service.wiring import telling

    class NeverForgets(Expirer):
        def forget(self) -> None:
            """It may be good for something."""

    telling.Expirer = NeverForgets


def tells_twice() -> None:
    """Whoever was told is told again at once."""
    from callback_service.relay.deliver import Deliverer
    from callback_service.wiring import telling

    class TellsTwice(Deliverer):
        async def _tell(self, run, batch):
            await super()._tell(run, batch)
            return await super()._tell(run, batch)

    telling.Deliverer = TellsTwice


def starts_over() -> None:
    """Whoever takes over from the dead tells all that ever became of a task."""
    from callback_service.relay import deliver

    items_within = deliver.items_within
    deliver.items_within = lambda task, _first, last: items_within(task, 1, last)


def hoards_runs() -> None:
    """Something of each delivery stays in memory."""
    from callback_service.relay.deliver import Deliverer
    from callback_service.wiring import telling

    hoard = []

    class HoardsRuns(Deliverer):
        async def _tell(self, run, batch):
            hoard.append(b"x" * 1_000_000)
            return await super()._tell(run, batch)

    telling.Deliverer = HoardsRuns


def outlives() -> None:
    """What `up` starts goes on without it."""
    from pathlib import Path

    from callback_service.embedded import child

    child._TETHER = Path(__file__).with_name("untethered.py")  # noqa: SLF001  that is what is broken


def hoards() -> None:
    """Something of each callback stays in memory."""
    from callback_service.relay.receive import Callback, Receiver
    from callback_service.wiring import intake

    hoard = []

    class Hoards(Receiver):
        def receive(self, callback: Callback) -> None:
            hoard.append(b"x" * 2_500_000)
            super().receive(callback)

    intake.Receiver = Hoards


def leaves_open() -> None:
    """A file is opened for each delivery, and never closed."""
    import os

    from callback_service.relay.deliver import Deliverer
    from callback_service.wiring import telling

    class LeavesOpen(Deliverer):
        async def _tell(self, run, batch):
            os.open(os.devnull, os.O_RDONLY)
            return await super()._tell(run, batch)

    telling.Deliverer = LeavesOpen


def never_migrates() -> None:
    """What an earlier release wrote stays as it is."""
    from importlib import import_module

    from callback_service.adapters.mongo.schema import MongoSchema

    class NeverMigrates(MongoSchema):
        def migrate(self, *, again: bool = False) -> dict[str, int]:
            del again
            return {}

    import_module("callback_service.wiring.stores").MongoSchema = NeverMigrates


def calls_it_even() -> None:
    """What an earlier release owed is owed no more."""
    from importlib import import_module

    from callback_service.adapters.mongo.schema import MongoSchema

    class CallsItEven(MongoSchema):
        def check(self) -> None:
            super().check()
            former = {"began_at": {"$exists": False}}
            even = {"$set": {"owed": []}, "$unset": {"owing": ""}}
            self._connection.durable["tasks"].update_many(former, even)

    import_module("callback_service.wiring.stores").MongoSchema = CallsItEven


def sits_out_panics() -> None:
    """A database that could not write is left as it is, for as long as it runs."""
    from callback_service.embedded import stack

    stack.DATABASE_PANICS = b""


def stops_at_once() -> None:
    """A worker that is asked to stop does, whatever is under way."""
    import os

    from callback_service.relay.dispatch import Dispatcher
    from callback_service.wiring import telling

    class StopsAtOnce(Dispatcher):
        async def stop(self, grace: float) -> None:
            del grace
            os._exit(0)

    telling.Dispatcher = StopsAtOnce


def cuts_off() -> None:
    """An API that is asked to stop does, whatever is under way."""
    import os

    from callback_service.entrypoints import api_process

    def handle_exit(_process, _signal, _frame):
        os._exit(0)

    api_process.ApiProcess.handle_exit = handle_exit


def answers_500() -> None:
    """One callback of fifty comes to nothing, for no reason that its sender could know."""
    from itertools import count

    from callback_service.relay.receive import Callback, Receiver
    from callback_service.wiring import intake

    numbers = count(1)

    class Answers500(Receiver):
        def receive(self, callback: Callback) -> None:
            if not next(numbers) % 50:
                raise RuntimeError
            super().receive(callback)

    intake.Receiver = Answers500


def tells_one_after_the_other() -> None:
    """A worker waits for each receiver before it turns to the next."""
    import asyncio

    from callback_service.relay.deliver import Deliverer
    from callback_service.wiring import telling

    turn = asyncio.Lock()

    class TellsOneAfterTheOther(Deliverer):
        async def deliver(self, run_id):
            async with turn:
                await super().deliver(run_id)

    telling.Deliverer = TellsOneAfterTheOther


def shares_all_places() -> None:
    """Who hangs may take every place that there is."""
    from callback_service.relay.lanes import Lanes
    from callback_service.wiring import telling

    telling.Lanes = lambda total, _per_host: Lanes(total, total)


def never_asks() -> None:
    """What no callback tells nobody learns."""
    from callback_service.relay.reconcile.reconciler import Reconciler
    from callback_service.wiring import telling

    class NeverAsks(Reconciler):
        def look(self) -> None:
            """No server is asked for anything."""

    telling.Reconciler = NeverAsks


def asks_at_any_time() -> None:
    """Servers are asked for what they have just told."""
    from callback_service.relay.reconcile import errand

    errand.due_at = lambda *_: None


def asks_in_vain() -> None:
    """What a server says replaces nothing that a callback told."""
    from callback_service.domain.task import Task

    believes = Task._believes  # noqa: SLF001  that is what is broken

    def believes_what_it_is_told(task, state, source):
        return believes(task, state, source) and (task.seq == 0 or not source.is_truth)

    Task._believes = believes_what_it_is_told  # noqa: SLF001  as above


def believes_the_last_word() -> None:
    """A callback moves a task out of its end, however late it comes."""
    from callback_service.domain.states import State
    from callback_service.domain.task import Task

    def believes(task, state, _source):
        return state not in {task.state, State.UNKNOWN}

    Task._believes = believes  # noqa: SLF001  that is what is broken


def goes_by_its_own_clock() -> None:
    """Each process judges leases and retries by what its machine says the time is."""
    from datetime import UTC, datetime

    from callback_service.adapters.mongo.clock import MongoClock

    def now(_clock):
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    MongoClock.now = now


def believes_every_lease() -> None:
    """A lease is one, however far away its end."""
    from datetime import timedelta

    from callback_service.adapters.mongo import runs
    from callback_service.domain import run

    run.LONGEST_LEASE = runs.LONGEST_LEASE = timedelta(days=1)


def ignores_retry_after() -> None:
    """Who wants to be left alone is not."""
    from callback_service.domain.retry import RetryPolicy

    delay = RetryPolicy.delay
    RetryPolicy.delay = lambda self, failures, chance, _wish=None: delay(self, failures, chance)


def storms() -> None:
    """Whoever failed is tried again at once."""
    from datetime import timedelta

    from callback_service.domain.retry import RetryPolicy

    delay = RetryPolicy.delay

    def none(policy, failures, chance, wish=None):
        # Attempts do not run out: it is how soon they come that is broken.
        return delay(policy, min(failures, 1), chance, wish) and timedelta()

    RetryPolicy.delay = none


def has_no_jitter() -> None:
    """All that failed at once come back at once."""
    from callback_service.domain.retry import RetryPolicy

    delay = RetryPolicy.delay
    RetryPolicy.delay = lambda self, failures, _chance, wish=None: delay(self, failures, 0.5, wish)


def takes_a_move_for_a_yes() -> None:
    """A receiver that says it is elsewhere has taken what was sent."""
    _judge_by(dict.fromkeys(range(300, 400), "TOLD"))


def tries_the_gone() -> None:
    """A receiver that is gone is tried again."""
    _judge_by({410: "RETRY"})


def _judge_by(verdicts: dict[int, str]) -> None:
    from callback_service.domain.delivery import Answer, Verdict

    verdict = Answer.verdict.fget

    def judged(answer):
        name = verdicts.get(answer.status)
        return Verdict[name] if name else verdict(answer)

    Answer.verdict = property(judged)


def sheds_nothing() -> None:
    """Whoever comes is let in, however many are inside."""
    from callback_service import app
    from callback_service.entrypoints.crowd import Crowd

    app.Crowd = lambda inner, _at_once: Crowd(inner, 10**9)


def retries_take_all_places() -> None:
    """A run's first news waits until there are fewer retries than places."""
    from callback_service.relay.lanes import Lanes
    from callback_service.wiring import telling

    class RetriesTakeAllPlaces(Lanes):
        def take(self, host, *, is_retry=False):
            del is_retry
            return super().take(host)

    telling.Lanes = RetriesTakeAllPlaces


BUILDS: dict[str, Callable[[], None]] = {
    build.__name__: build
    for build in (
        acknowledges_first,
        believes_in_luck,
        marks_first,
        tells_newest_first,
        forgets_generations,
        never_sweeps,
        repeats_under_new_ids,
        hurries,
        never_forgets,
        tells_twice,
        starts_over,
        hoards_runs,
        outlives,
        hoards,
        leaves_open,
        never_migrates,
        calls_it_even,
        sits_out_panics,
        stops_at_once,
        cuts_off,
        answers_500,
        goes_by_its_own_clock,
        believes_every_lease,
        ignores_retry_after,
        has_no_jitter,
        storms,
        takes_a_move_for_a_yes,
        tries_the_gone,
        never_asks,
        asks_at_any_time,
        asks_in_vain,
        believes_the_last_word,
        tells_one_after_the_other,
        shares_all_places,
        sheds_nothing,
        retries_take_all_places,
    )
}
