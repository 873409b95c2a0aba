"""Promise 17: the disk of `up` fills up and is freed: nothing that it acknowledged is lost."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace

import requests
from pymongo import WriteConcern
from pymongo.errors import PyMongoError

from tests.e2e.conditions import until
from tests.faults.disk import SmallDisk, small_disk
from tests.faults.fleet import Sending
from tests.faults.judge import judge
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.up import running_up
from tests.faults.world import World

# Seconds. `up` looks at its database each five, and starts it again within some.
_BACK_WITHIN = 30.0
_REFUSED_WITHIN = 30.0
_MEBIBYTES = 96
# More than its journal has set aside.
_BLOCKS, _BLOCK = 400, 200_000


@dataclass(frozen=True, slots=True)
class Size:
    """`full`: seconds, each time."""

    rate: float
    full: tuple[float, ...]


FULL = Size(rate=50, full=(5, 60, 20))
QUICK = Size(rate=30, full=(2,))


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    with (
        small_disk(stage.folder / "disk", _MEBIBYTES) as disk,
        running_up(replace(stage, folder=disk.folder)) as world,
    ):
        pid, wrong, back = world.system.up.pid, [], [0.0]
        with world.loaded(size.rate, seconds=600) as fleet:
            for seconds in size.full:
                fleet.until_sent(fleet.progress().sent + size.rate)
                wrong.append(_fill(world, disk, seconds))
                disk.free()
                back.append(_until_back(world, fleet))
                if back[-1] > _BACK_WITHIN:
                    break
            is_untouched = world.system.up.is_alive and world.system.up.pid == pid
            fleet.finish()
            if max(back) > _BACK_WITHIN:
                # Else nobody could open the books of what it has acknowledged.
                world.system.up.end()
            settled = world.settle(fleet)
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s, with `up`",
            faults=f"its disk full {len(size.full)} times, up to {max(size.full):g} s",
            figures=f"back {max(back):.1f} s after there was room",
            violations=[
                *(one for one in wrong if one),
                *(["it did not go on by itself"] if max(back) > _BACK_WITHIN else []),
                *([] if is_untouched else ["`up` ended"]),
            ],
        )


def _fill(world: World, disk: SmallDisk, seconds: float) -> str:
    """Fill it until callbacks are refused, and stay so; say what is wrong with how they are."""
    world.befall()
    disk.fill()
    _fill_journal(world)
    url = world.load(1, 1).urls[min(world.runs)][0]
    deadline, full_until = time.monotonic() + _REFUSED_WITHIN, None
    while full_until is None or time.monotonic() < full_until:
        # A task of its own, that no book is about: whether it was written is not asked.
        answer = requests.post(url, json={"id": "probe", "state": "RUNNING"}, timeout=30)
        if answer.status_code == 503 and full_until is None:
            full_until = time.monotonic() + seconds
        if answer.status_code == 503 and not answer.headers.get("Retry-After", "").isdigit():
            return "a 503 did not say when to try again"
        if answer.status_code not in {204, 503}:
            return f"a callback was answered {answer.status_code} with the disk full"
        if full_until is None and time.monotonic() > deadline:
            return "no callback was refused with the disk full"
        time.sleep(0.1)
    return ""


def _fill_journal(world: World) -> None:
    """The database has set some of the disk aside, which callbacks would take a while to fill."""
    journaled = WriteConcern(w="majority", j=True)
    with world.system.database.client() as client, suppress(PyMongoError):
        ballast = client["ballast"].get_collection("ballast", write_concern=journaled)
        for _ in range(_BLOCKS):
            ballast.insert_one({"block": os.urandom(_BLOCK)})


def _until_back(world: World, fleet: Sending) -> float:
    """Seconds until callbacks are acknowledged and told again; more than it may take, if never."""
    began = time.monotonic()
    acknowledged, told = fleet.progress().acknowledged, world.receivers.counts().told
    with suppress(AssertionError):
        until(lambda: fleet.progress().acknowledged > acknowledged, within=_BACK_WITHIN)
        until(lambda: world.receivers.counts().told > told, within=_BACK_WITHIN)
        return time.monotonic() - began
    return _BACK_WITHIN + 1


SCENARIO = Scenario(
    "disk-full",
    17,
    "The disk of `up` is full and callbacks are refused; with room on it all goes on by itself.",
    play,
    broken=("believes_in_luck", "sits_out_panics"),
)
