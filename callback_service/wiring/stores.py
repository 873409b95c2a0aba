"""What the database and the broker are reached by."""

from contextlib import suppress
from typing import Any

from celery import Celery
from flask import Flask
from foca.factories.celery_app import create_celery_app
from pymongo.database import Database

from callback_service.adapters import celery_doorbell
from callback_service.adapters.mongo.clock import MongoClock
from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.deliveries import MongoDeliveryLog
from callback_service.adapters.mongo.fingerprints import MongoFingerprints
from callback_service.adapters.mongo.outcomes import MongoOutcomes
from callback_service.adapters.mongo.runs import MongoRuns
from callback_service.adapters.mongo.schema import MongoSchema
from callback_service.adapters.mongo.servers import MongoServers
from callback_service.adapters.mongo.tasks import MongoTasks
from callback_service.adapters.mongo.ticks import MongoTicks
from callback_service.config.settings import Settings
from callback_service.domain.errors import ConfigError, NewerData, Unavailable


class Stores:
    """The database's collections, as the relay sees them."""

    def __init__(self, database: Database[dict[str, Any]], settings: Settings) -> None:
        self.connection = Connection(database, settings.database.timeout)
        self.clock = MongoClock(self.connection)
        self.schema = MongoSchema(self.connection)
        self.tasks = MongoTasks(self.connection)
        self.runs = MongoRuns(self.connection)
        self.servers = MongoServers(self.connection)
        self.fingerprints = MongoFingerprints(self.connection)
        self.outcomes = MongoOutcomes(self.connection)
        self.delivery_log = MongoDeliveryLog(self.connection)
        self.ticks = MongoTicks(self.connection)


def stores(app: Flask, settings: Settings) -> Stores:
    """The stores on the database that FOCA has registered with its app."""
    name = settings.database.name
    databases = app.config.foca.db.dbs  # type: ignore[attr-defined]  # FOCA puts it there
    if name not in databases:
        raise ConfigError(f"custom.database.name: there is no {name} in `db.dbs`")
    return Stores(databases[name].client, settings)


def refuse_newer_data(stored: Stores) -> None:
    """Raises `ConfigError`; a database that is away may be right, and is waited for later."""
    with suppress(Unavailable):
        try:
            stored.schema.check()
        except NewerData as error:
            raise ConfigError(str(error)) from error


def celery_of(app: Flask, settings: Settings) -> Celery:
    celery = create_celery_app(app)
    folder = settings.broker.folder
    celery_doorbell.configure(celery, None if folder is None else str(folder))
    return celery
