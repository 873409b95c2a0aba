"""However many callbacks are lost, what is believed converges to what the server says."""

import random
from datetime import timedelta

import pytest

from callback_service.domain.states import FINAL
from callback_service.tes_sim.faults import Faults
from tests.relay.polled_service import PolledService
from tests.tes_sim.running import new_core

TASKS = 300
OWN = "https://callbacks.example.org/"
# An interval is a second at first, then a tenth of the time since the last change; and it takes
# a moment until somebody looks.
PART, FAST, LOOK = 0.1, 1.0, 0.4


def script(chance: random.Random) -> str:
    """Each on its own way."""
    steps = [f"QUEUED {chance.uniform(0.1, 5):.1f}"]
    for _ in range(chance.choice([1, 1, 2])):
        steps += [f"RUNNING {chance.uniform(0.5, 40):.1f}", f"QUEUED {chance.uniform(2, 5):.1f}"]
    return ", ".join([*steps[:-1], chance.choice(["COMPLETE", "EXECUTOR_ERROR", "CANCELED"])])


@pytest.mark.parametrize("profile", ["funnel", "tesk"])
@pytest.mark.parametrize("dropped", [0.0, 0.3, 1.0])
def test_what_is_believed_converges(dropped, profile):
    service = PolledService(core=new_core(profile, callbacks=True))
    chance, workers = random.Random(7), [service.worker(), service.worker()]
    service.core.set_faults(Faults(drop_callbacks=dropped), service.clock.now())
    run_id, keys = service.follow()
    task_ids = []
    for _ in range(TASKS // 5):
        new = [service.submit(script(chance), url=OWN) for _ in range(5)]
        service.join(run_id, *new)
        task_ids += new
        work(service, keys, workers, 0.4)
    work(service, keys, workers, 150)
    service.deliver(run_id)
    assert service.believed(*task_ids) == service.truth()
    assert set(service.truth().values()) <= FINAL
    told = dict(service.told(run_id))
    assert told == service.truth()
    assert service.unsettled() == []
    check_that_ends_were_noticed_in_time(service)
    assert 30 * len(service.requests) < requests_of_polling_clients(service)


def work(service, keys, workers, seconds: float) -> None:
    """Callbacks come, workers look."""
    for _ in range(round(seconds / 0.2)):
        now = service.clock.advance(0.2)
        for callback in service.core.callbacks_due(now):
            service.call_back(keys, callback.task_id, callback.state)
        service.look(*workers)


def requests_of_polling_clients(service) -> float:
    """One every 1.5 s for each task that has not ended."""
    lasted = [task.moves[-1].at - task.moves[0].at for task in service.core.tasks()]
    return sum(lasted, timedelta()).total_seconds() / 1.5


def check_that_ends_were_noticed_in_time(service) -> None:
    for task in service.core.tasks():
        ended, before = task.moves[-1], task.moves[-2]
        noticed = next(one for one in service.task(task.id).history if one.state is ended.state)
        interval = max(FAST, PART * (ended.at - before.at).total_seconds()) + LOOK
        assert noticed.at - ended.at <= timedelta(seconds=2 * interval)
