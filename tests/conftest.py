from pathlib import Path

import pytest

# Imported rather than named in `pytest_plugins`, which only a conftest at the top may have.
from tests.services import mongo_client, mongo_database, mongo_uri

__all__ = ["mongo_client", "mongo_database", "mongo_uri"]

TOP = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """With `-n 2 --dist loadgroup` a file stays together, for its tests share what they start.

    All tests of the one real RabbitMQ stay together too: they take turns at its one queue, and who
    waits for a turn does nothing else meanwhile.
    """
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        group = (
            "rabbitmq" if "rabbitmq" in parameters.values() else item.path.relative_to(TOP.parent)
        )
        item.add_marker(pytest.mark.xdist_group(str(group)))
