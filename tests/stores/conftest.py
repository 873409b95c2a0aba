from typing import Any

import pytest
from pymongo.database import Database

from callback_service.adapters.mongo.connection import Connection


@pytest.fixture
def mongo_connection(mongo_database: Database[dict[str, Any]]) -> Connection:
    # Longer than in production: machines that run tests are slow now and then.
    return Connection(mongo_database, timeout=20)
