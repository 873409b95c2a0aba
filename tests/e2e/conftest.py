import contextlib

import pytest

from tests.e2e.brokers import BROKERS
from tests.e2e.receivers import Receiver
from tests.e2e.system import System, running_system

# The last lines of a process that had a part in a failure.
LINES_SHOWN = 60


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
    return request.param


@pytest.fixture(scope="module")
def system(tmp_path_factory, broker):
    """One that the tests of a module share; they may not break it."""
    with running_system(tmp_path_factory.mktemp("system"), broker) as one:
        yield one


@pytest.fixture
def new_system(tmp_path):
    """Starts a system that ends with the test, which may do to it whatever it likes."""
    with contextlib.ExitStack() as stack:
        yield lambda *how, **size: stack.enter_context(running_system(tmp_path, *how, **size))


@pytest.fixture
def new_receiver():
    """Makes receivers that end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda answer=None: stack.enter_context(Receiver(answer).running())


@pytest.fixture
def receiver(new_receiver):
    return new_receiver()
