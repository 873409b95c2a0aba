"""The broker carries doorbells only: without it everything is a moment slower, and no more."""

import time

import pytest

from tests.e2e.brokers import BROKERS
from tests.e2e.conditions import until
from tests.e2e.load import Load
from tests.e2e.receivers import assert_repeats_are_exact
from tests.e2e.system import TESK_MEANS, TESK_SENDS, new_task

# A sweep rings every second for whatever is owed.
SWEPT_WITHIN = 3
QUICK = 1


@pytest.fixture
def broker_that_can_be_away(broker):
    if not BROKERS[broker].can_be_away:
        pytest.skip("a folder is always there")


needs_one_that_can_be_away = pytest.mark.usefixtures("broker_that_can_be_away")


@pytest.fixture
def run(system, receiver):
    return system.client.register(receiver)


def tell(run, receiver, within):
    """A task from its first to its last state, acknowledged quickly and told in time."""
    task = new_task()
    for state in TESK_SENDS:
        sent = time.monotonic()
        run.call_back(task, state)
        assert time.monotonic() - sent < QUICK
    receiver.until_told(task, *TESK_MEANS, within=within)


def is_rung(run, receiver):
    """Whether a doorbell was faster than the sweeper would have been, ten times in a row."""
    for _ in range(10):
        task, sent = new_task(), time.monotonic()
        run.call_back(task, "RUNNING")
        receiver.until_told(task, "RUNNING")
        if receiver.deliveries[-1].at - sent > 0.4:
            return False
    return True


def pids(system):
    return [process.pid for process in system.processes if process.is_alive]


@needs_one_that_can_be_away
def test_while_the_broker_is_down_all_is_acknowledged_and_told(system, run, receiver):
    before = pids(system)
    system.broker.stop()
    for _ in range(3):
        tell(run, receiver, SWEPT_WITHIN)
    assert system.api.is_ready()
    system.broker.start()
    tell(run, receiver, SWEPT_WITHIN)
    until(lambda: is_rung(run, receiver), what="doorbells do not work again")
    assert pids(system) == before
    assert_repeats_are_exact(receiver)


@needs_one_that_can_be_away
def test_while_the_broker_is_silent_all_is_acknowledged_and_told(system, run, receiver):
    """Connections hang: nothing fails, and nothing goes through."""
    before = pids(system)
    tell(run, receiver, SWEPT_WITHIN)
    system.broker.fall_silent()
    for _ in range(3):
        tell(run, receiver, SWEPT_WITHIN)
    system.broker.start()
    until(lambda: is_rung(run, receiver), what="doorbells do not work again")
    assert pids(system) == before
    assert_repeats_are_exact(receiver)


def test_a_broker_that_forgets_everything_costs_nothing(system, run, receiver):
    before = pids(system)
    with Load(run) as load:
        for _ in range(3):
            load.until_more()
            system.broker.wipe()
        load.until_more()
    load.until_told(run, receiver)
    assert pids(system) == before
    until(lambda: is_rung(run, receiver), what="doorbells do not work again")
    assert_repeats_are_exact(receiver)


@needs_one_that_can_be_away
def test_workers_and_api_start_without_the_broker(system, run, receiver):
    system.broker.stop()
    for process in (system.api, system.worker):
        assert process.terminate() == 0
        process.start()
    system.api.until_ready()
    tell(run, receiver, within=30)
    system.broker.start()
    until(lambda: is_rung(run, receiver), what="doorbells do not work again")
