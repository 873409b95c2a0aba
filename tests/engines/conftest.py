from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engines.clients import PY_TES, installed, running


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
    """Make a client of one version, `connect(url, token=…)`; it ends with the module."""
    python = installed(version)
    with ExitStack() as stack:
        yield lambda url, **how: stack.enter_context(running(python, url, **how))
