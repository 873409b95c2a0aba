"""Whoever marks a run as failed while cwl-WES completes it: what cwl-WES says stays."""

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from callback_service.adapters.cwl_wes_sink.news import news_of
from callback_service.adapters.cwl_wes_sink.telling import Failure, RunLost, fail, tell
from callback_service.domain.states import State
from tests.adapters.cwl_wes import CwlWes, Document, task_log
from tests.adapters.cwl_wes_sink_suite import told
from tests.adapters.receivers import NOW

INTERLEAVINGS = 60
FAILURE = Failure("msg_1", "operator", "its engine was killed", NOW)
Step = Callable[[], None]


class Raced:
    """A collection in which others write before each single thing that is asked of it."""

    def __init__(self, runs: Collection[Document], others: Step) -> None:
        self._runs = runs
        self._others = others

    def __getattr__(self, name: str) -> Any:
        self._others()
        return getattr(self._runs, name)


@pytest.fixture
def runs(mongo_database: Database[Document]) -> Collection[Document]:
    runs = mongo_database["runs"]
    # As cwl-WES has it.
    runs.create_index([("run_id", 1), ("task_id", 1)], unique=True, sparse=True)
    return runs


def test_an_end_that_cwl_wes_sets_is_never_lost_to_a_mark(runs: Collection[Document]) -> None:
    """Its writes in their order, ours and a late batch of news in any place among them."""
    ends = set()
    for seed in range(INTERLEAVINGS):
        chance = random.Random(seed)
        wes = CwlWes(runs, f"R{seed}")
        wes.create("RUNNING")
        tell(runs, wes.run_id, news_of([told(1, State.COMPLETE)]))
        logs = [task_log("t.1", "COMPLETE")]
        end = chance.choice(["COMPLETE", "SYSTEM_ERROR", "CANCELED", None])
        theirs: list[Step] = [
            wes.begin_to_complete,
            lambda wes=wes, logs=logs: wes.set_logs(*logs),
            *([lambda wes=wes, end=end: wes.be(end)] if end else []),
        ]

        def others(theirs: list[Step] = theirs, chance: random.Random = chance) -> None:
            while theirs and chance.random() < 0.5:
                theirs.pop(0)()

        raced: Any = Raced(runs, others)
        ours: list[Step] = [
            lambda raced=raced, wes=wes: fail(raced, wes.run_id, FAILURE),
            # The same worker again, and one that has yet to tell.
            lambda raced=raced, wes=wes: fail(raced, wes.run_id, FAILURE),
            lambda raced=raced, wes=wes: tell(
                raced, wes.run_id, news_of([told(1, State.COMPLETE)])
            ),
        ]
        chance.shuffle(ours)
        for step in ours:
            with suppress(RunLost):
                step()
        while theirs:
            theirs.pop(0)()
        assert wes.state() == (end or "SYSTEM_ERROR"), f"seed {seed}"
        assert wes.states() == {"t.1": "COMPLETE"}, f"seed {seed}"
        ends.add((end, "failed" in wes.document()["callback_service"]))
    # Each end has come before the mark, and after it.
    assert len(ends) == 7


def test_a_mark_says_who_and_why_in_a_field_of_our_own_and_touches_nothing_else(
    runs: Collection[Document],
) -> None:
    wes = CwlWes(runs)
    wes.create("RUNNING")
    before = wes.document()
    fail(runs, wes.run_id, FAILURE)
    after = wes.document()
    failed = after.pop("callback_service")["failed"]
    assert (failed["id"], failed["by"]) == ("msg_1", "operator")
    assert failed["reason"] == "its engine was killed"
    before["api"]["state"] = "SYSTEM_ERROR"
    assert after == before
