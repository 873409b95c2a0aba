import contextlib
from pathlib import Path

import pytest

from tests.e2e.brokers import BROKERS
from tests.e2e.receivers import Receiver
from tests.e2e.system import System, running_system

# The last lines of a process that had a part in a failure.
LINES_SHOWN = 60


def pytest_collection_modifyitems(items):
    """What starts a whole service takes its time: `-m "not slow"` leaves it out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Show what the processes of the system said, where a test of it failed."""
    report = yield
    systems = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, System)]
    if report.failed:
        for process in (process for system in systems for process in system.processes):
            said = "\n".join(process.text().splitlines()[-LINES_SHOWN:])
            report.sections.append((f"{process.name} ({process.log})", said))
    return report


@pytest.fixture(scope="module", params=BROKERS)
def broker(request):
    """A module for which brokers are all the same names one."""
    return request.param


@pytest.fixture(scope="module")
def shape():
    """How many of what (see `running_system`); a module may want more."""
    return {}


@pytest.fixture(scope="module")
def module_system(tmp_path_factory, broker, shape):
    with running_system(tmp_path_factory.mktemp("system"), broker, **shape) as one:
        yield one


@pytest.fixture
def system(module_system):
    """The system of the module, whole again, whatever the test before did to it."""
    module_system.revive()
    return module_system


@pytest.fixture
def new_receiver():
    """Makes receivers that end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda answer=None: stack.enter_context(Receiver(answer).running())


@pytest.fixture
def receiver(new_receiver):
    return new_receiver()
