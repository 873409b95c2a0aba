"""Who pulls is owed nothing. Tasks know it of their runs, and must learn when a sink changes."""

from collections.abc import Iterable

from callback_service.domain.sink import is_quiet
from callback_service.relay.ports import Change, Runs, Tasks


def let_owe(runs: Runs, tasks: Tasks, run_id: str) -> None:
    """Let the run's tasks owe it what its sink wants.

    Two may do so at once, by sinks that they read at different times. Each looks again
    after it has written: so whoever writes last has seen the last sink.
    """
    run = runs.find({run_id}).get(run_id)
    while run:
        quiet = is_quiet(run.sink)
        tasks.set_quiet(run_id, quiet=quiet)
        run = runs.find({run_id}).get(run_id)
        if run and is_quiet(run.sink) == quiet:
            return


def check_joins(runs: Runs, tasks: Tasks, changes: Iterable[Change]) -> None:
    """A run that joined as one that pulls may have got a sink since it was read."""
    joined = {
        run_id
        for change in changes
        for run_id in change.after.quiet - (change.before.quiet if change.before else frozenset())
    }
    if joined:
        for run in runs.find(joined).values():
            if not is_quiet(run.sink):
                let_owe(runs, tasks, run.id)
