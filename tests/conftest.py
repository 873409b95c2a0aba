import signal
from pathlib import Path

import pytest

# Imported rather than named in `pytest_plugins`, which only a conftest at the top may have.
from tests.services import mongo_client, mongo_database, mongo_uri

__all__ = ["mongo_client", "mongo_database", "mongo_uri"]

# Whoever runs the tests in the background has Ctrl-C ignored by all that they start; with a handler
# of ours it is what it usually is for those.
signal.signal(signal.SIGINT, signal.default_int_handler)

TOP = Path(__file__).parents[1]
# Groups of a minute or more, the longest first.
LONGEST = (
    "tests/faults/test_promises.py",
    "rabbitmq",
    "tests/docs/test_examples.py",
    "tests/engines/test_py_tes_drop_in.py",
    "tests/engines/test_snakemake.py",
    "tests/adapters/test_cwl_wes_races.py",
    "tests/client/test_client_on_old_pythons.py",
    "tests/engines/test_clients_through_the_gateway.py",
    "tests/engines/test_cwl_tes.py",
    "tests/engines/test_toil.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """With `-n 2 --dist loadgroup` a file stays together, for its tests share what they start.

    All tests of the one real RabbitMQ stay together too: they take turns at its one queue, and who
    waits for a turn does nothing else meanwhile.

    Long groups begin first, or one of two workers has nothing to do while the other ends the last
    of them; `--no-loadscope-reorder` keeps it so.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group_of(item)))
    # Who runs them by himself wants to see the quick ones first.
    if hasattr(config, "workerinput"):
        slow = {_group_of(item) for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: _place_of(_group_of(item), slow))


def _group_of(item):
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if "rabbitmq" in parameters.values():
        return "rabbitmq"
    return item.path.relative_to(TOP).as_posix()


def _place_of(group, slow):
    if group in LONGEST:
        return LONGEST.index(group)
    return len(LONGEST) + (group not in slow)
