# Imported rather than named in `pytest_plugins`, which only a conftest at the top may have.
from tests.services import mongo_client, mongo_database, mongo_uri

__all__ = ["mongo_client", "mongo_database", "mongo_uri"]
