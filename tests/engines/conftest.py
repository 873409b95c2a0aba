from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.conftest import new_receiver, pytest_runtest_makereport, receiver
from tests.e2e.system import running_system
from tests.engines.clients import PY_TES, installed, running
from tests.engines.ways import ground, registering

__all__ = ["new_receiver", "pytest_runtest_makereport", "receiver"]

# What the service shows a server that is registered with the credentials `sim`.
CREDENTIALS = "token-of-the-operator"


def pytest_collection_modifyitems(items):
    """Clients are installed, and most of them are tried on a whole service."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module", params=PY_TES)
def version(request):
    return request.param


@pytest.fixture(scope="module")
def connect(version):
    with running(installed(version)) as connect:
        yield connect


@pytest.fixture(scope="session")
def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    secret = folder / "secret"
    secret.write_text(CREDENTIALS)
    servers = {"credentials": {"sim": {"token_file": str(secret)}}}
    # By default nearly as long as the clients' own 10 s, which nobody should wait here.
    with running_system(folder, servers=servers, gateway={"timeout": 3}) as one:
        yield one


@pytest.fixture
def register(system):
    """Put the gateway before a server: `register(server, access="open")` is the URL for clients."""
    with registering(system) as register:
        yield register


@pytest.fixture
def set_up(system, register, tmp_path):
    """What an engine is run on: `set_up(Way.GATEWAY, calls_back=True)` is a `Ground`."""
    with ExitStack() as stack:
        yield lambda way, **how: stack.enter_context(ground(system, register, way, tmp_path, **how))
