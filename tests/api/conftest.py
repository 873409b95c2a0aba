import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests.api.service import Service, app_of, environment


@pytest.fixture(scope="module")
def service(
    mongo_uri: str,
    mongo_client: MongoClient[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """A service of the module's own; building one takes longer than most of its tests."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    folder = tmp_path_factory.mktemp("service")
    yield Service(app_of(environment(mongo_uri, name, folder)), mongo_client[name])
    mongo_client.drop_database(name)
