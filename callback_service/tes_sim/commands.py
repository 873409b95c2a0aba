"""What executors would do, as far as a script needs to know: how long, and how it ends."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from callback_service.domain.states import State
from callback_service.tes_sim.script import Script, Step

TAG = "tes-sim"

_SLEEP = re.compile(r"\bsleep (\d{1,9}(?:\.\d+)?)")
_FAIL = re.compile(r"(?:^|[;&|] *|-c )false$|\bexit ([1-9]\d{0,8})$")


def script_of(body: Mapping[str, Any], default: Script, *, per_executor: bool) -> Script:
    """A task's own script where its tag has one, else the default, shaped by its commands.

    `sleep N` runs for N seconds; `false` and `exit N` fail. `per_executor` is TESK's way: each
    executor waits for its own pod. Raises `ValueError` for a tag that is no script.
    """
    if own := own_script(body):
        return own
    executors = list(_those_that_run(body["executors"]))
    script = Script(tuple(_shaped(default, executors, per_executor=per_executor)))
    return script.ending(State.EXECUTOR_ERROR) if stops(executors[-1]) else script


def own_script(body: Mapping[str, Any]) -> Script | None:
    """What its tag says; raises `ValueError` where that is no script."""
    own = (body.get("tags") or {}).get(TAG)
    return Script.parse(own) if own else None


def exit_code(executor: Mapping[str, Any]) -> int:
    failed = _FAIL.search(_line(executor))
    return int(failed[1] or 1) % 256 if failed else 0


def stops(executor: Mapping[str, Any]) -> bool:
    """Whether the executors after this one do not run."""
    return exit_code(executor) != 0 and not executor.get("ignore_error")


def _those_that_run(executors: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for executor in executors:
        yield executor
        if stops(executor):
            return


def _shaped(
    default: Script, executors: Sequence[Mapping[str, Any]], *, per_executor: bool
) -> Iterator[Step]:
    waiting = default.steps[0].seconds
    for step in default.steps:
        if step.state is not State.RUNNING:
            yield step
        elif per_executor:
            for executor in executors:
                yield Step(State.QUEUED, waiting)
                yield Step(State.RUNNING, _seconds(executor, step.seconds))
        else:
            yield Step(step.state, sum(_seconds(one, step.seconds) for one in executors))


def _seconds(executor: Mapping[str, Any], otherwise: float) -> float:
    slept = _SLEEP.findall(_line(executor))
    return sum(map(float, slept)) if slept else otherwise


def _line(executor: Mapping[str, Any]) -> str:
    return " ".join(executor["command"])
