"""The composition root: the only module that names every class.

Nothing here connects: the database and the broker are reached when they are first needed.
"""

import asyncio
import logging
import os
import random
import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from celery import Celery
from flask import Flask
from foca.database.register_mongodb import get_mongo_uri
from foca.factories.celery_app import create_celery_app
from foca.foca import Foca
from pydantic import ValidationError
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from callback_service import config
from callback_service.adapters import celery_doorbell
from callback_service.adapters.celery_doorbell import CeleryDoorbell
from callback_service.adapters.clock import SystemClock
from callback_service.adapters.http_sink.sender import HttpSender
from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.deliveries import MongoDeliveryLog
from callback_service.adapters.mongo.fingerprints import MongoFingerprints
from callback_service.adapters.mongo.outcomes import MongoOutcomes
from callback_service.adapters.mongo.runs import MongoRuns
from callback_service.adapters.mongo.servers import MongoServers
from callback_service.adapters.mongo.tasks import MongoTasks
from callback_service.adapters.mongo.ticks import MongoTicks
from callback_service.adapters.tes_server import (
    Basic,
    Bearer,
    HttpTesServers,
    KnownSecret,
    SecretFile,
)
from callback_service.config import credentials
from callback_service.config.settings import Settings
from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.errors import ConfigError
from callback_service.domain.freshness import Patience
from callback_service.domain.polling import Budget
from callback_service.domain.server import Access
from callback_service.domain.tes import Tag
from callback_service.faults import Faults
from callback_service.relay.deliver import Deliverer
from callback_service.relay.dispatch import Dispatcher
from callback_service.relay.gateway.gateway import Gateway, Ground, Terms, build_gateway
from callback_service.relay.lanes import Lanes
from callback_service.relay.observe import Observer
from callback_service.relay.ports import Doorbell, Sender
from callback_service.relay.ready import Readiness, Remembered
from callback_service.relay.receive import Receiver
from callback_service.relay.reconcile import means as reconciling
from callback_service.relay.reconcile.places import Places
from callback_service.relay.reconcile.reconciler import Reconciler
from callback_service.relay.record import Recorder
from callback_service.relay.register import Registrar
from callback_service.relay.servers import ServerRegistry
from callback_service.relay.sweep import (
    EXPIRE_EVERY,
    FORGET_EVERY,
    SWEEP_EVERY,
    Expirer,
    Retention,
    Sweeper,
    Tick,
)
from callback_service.relay.updates import Reader
from callback_service.relay.watch import Watch

# Seconds for which an answer to a probe is good: probes come without a token.
DATABASE_SEEN = 1.0
BROKER_SEEN = 5.0
# Together with the database's answer within the second that probes wait by default.
BROKER_PATIENCE = 0.5

# A server that is slow to answer takes one of a worker's places.
POLLS_AT_ONCE = 16

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Configured:
    """FOCA as the configuration files have it, and our own settings."""

    foca: Foca
    settings: Settings


def load() -> Configured:
    """Read the configuration. Raises `ConfigError` with a sentence for each fault."""
    environ = config.environment()
    # It tells of each of its steps; what comes of them is told here.
    logging.getLogger("foca").setLevel(logging.WARNING)
    files = config.config_files(environ)
    sections = config.our_sections(files)
    faults = Faults()
    with faults.noted():
        foca = _read_foca(files)
    with faults.noted():
        settings = config.read_settings(sections, environ)
    with faults.noted():
        _check_database_uri()
    with faults.noted():
        celery_doorbell.check_url(environ.get("CELERY_BROKER_URL", ""))
    faults.raise_any()
    return Configured(foca, settings)


def _read_foca(files: list[Path]) -> Foca:
    try:
        return Foca(config_file=files)
    except ValidationError as error:
        raise ConfigError(*config.explain_foca(error)) from None


def _check_database_uri() -> None:
    """FOCA looks at it only when an app is built, in each worker anew."""
    try:
        uri = get_mongo_uri()
        # What `mongodb+srv` stands for is in the DNS, which may come later.
        if uri.startswith("mongodb://"):
            parse_uri(uri)
    except (PyMongoError, ValueError) as error:
        raise ConfigError(f"MONGO_URI: {error}") from None


def database_address(configured: Configured) -> str:
    """Where the database is looked for, without the user and the password."""
    section = configured.foca.conf.db
    uri = get_mongo_uri(section.host, section.port) if section else get_mongo_uri()
    return uri.rpartition("://")[2].rpartition("@")[2].partition("/")[0]


@dataclass(frozen=True, slots=True)
class DefaultServer:
    """The TES server that is meant where none is named."""

    url: str
    access: Access


class Stores:
    """The database's collections, as the relay sees them."""

    def __init__(self, database: Database[dict[str, Any]], settings: Settings) -> None:
        self.connection = Connection(database, settings.database.timeout)
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


def celery_of(app: Flask, settings: Settings) -> Celery:
    celery = create_celery_app(app)
    folder = settings.broker.folder
    celery_doorbell.configure(celery, None if folder is None else str(folder))
    return celery


def check_access(configured: Configured, host: str) -> None:
    """Raises `ConfigError` where everybody could use the API from anywhere."""
    if configured.settings.access.auth or host in LOOPBACK:
        return
    raise ConfigError(
        "custom.access.auth: without tokens the API may listen on loopback only; "
        f"use --host 127.0.0.1 instead of {host}"
    )


def prepare(configured: Configured, default: DefaultServer | None = None) -> dict[str, str]:
    """Create indexes, register the default server; return what database and broker say, by name.

    Raises `InvalidInput` for a server that cannot be one.
    """
    app = configured.foca._create_base_app().app  # noqa: SLF001  FOCA has no public way to it
    settings = configured.settings
    stored = stores(app, settings)
    doorbell = CeleryDoorbell(celery_of(app, settings), settings.broker.gather)
    needed = {"database": stored.connection.check, "indexes": stored.connection.index}
    answers = Readiness(needed, {"broker": doorbell.check}).checks()
    if default:
        server = server_registry(stored, settings).make_default(default.url, default.access)
        answers["TES server"] = server.url
    return answers


def server_registry(stores: Stores, settings: Settings) -> ServerRegistry:
    credentials_known = settings.servers.credentials.keys()
    return ServerRegistry(stores.servers, SystemClock(), credentials_known, settings.public_url)


class Intake:
    """What an API process does: receive, register, read."""

    def __init__(self, stores: Stores, celery: Celery, settings: Settings) -> None:
        clock = SystemClock()
        self.runs, self.tasks, self.delivery_log = stores.runs, stores.tasks, stores.delivery_log
        doorbell = CeleryDoorbell(celery, settings.broker.gather)
        watch = Watch(stores.tasks, clock)
        recorder = Recorder(stores.tasks, doorbell, watch)
        policy = AddressPolicy(settings.egress.allow)
        retention = timedelta(days=settings.retention.tasks_days)
        self.receiver = Receiver(stores.runs, stores.tasks, recorder, clock)
        self.servers = server_registry(stores, settings)
        self.registrar = Registrar(
            stores.runs, stores.tasks, self.servers, recorder, doorbell, clock, policy
        )
        self.reader = Reader(stores.tasks, stores.runs, watch, clock, retention)
        self.gateway = _gateway(stores, self.registrar, recorder, watch, settings)
        ask_broker = partial(doorbell.check, BROKER_PATIENCE)
        self.readiness = Readiness(
            needed={"database": Remembered(stores.connection.check, DATABASE_SEEN)},
            missed={"broker": Remembered(ask_broker, BROKER_SEEN)},
        )


def _gateway(
    stores: Stores, registrar: Registrar, recorder: Recorder, watch: Watch, settings: Settings
) -> Gateway:
    ground = Ground(
        tasks=stores.tasks,
        runs=stores.runs,
        servers=stores.servers,
        fingerprints=stores.fingerprints,
        outcomes=stores.outcomes,
        tes=tes_servers(settings),
        clock=registrar.clock,
        policy=registrar.policy,
        recorder=recorder,
        registrar=registrar,
        watch=watch,
        aside=_aside,
    )
    terms = Terms(
        tag=Tag(settings.gateway.tag.key, settings.gateway.tag.value),
        run_tag=settings.gateway.run_tag,
        accepted_for=timedelta(seconds=settings.gateway.accepted_for),
        patience=patience(settings),
        own_url=settings.public_url,
    )
    return build_gateway(ground, terms)


def _aside(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


def tes_servers(settings: Settings) -> HttpTesServers:
    """Raises `ConfigError` where credentials or certificates cannot be had."""
    entries = credentials.resolved(settings.servers.credentials, config.environment())
    return HttpTesServers(
        {name: _shown_to_servers(entry) for name, entry in entries.items()},
        timeout=settings.gateway.timeout,
        max_response=settings.gateway.max_response,
        per_server=settings.gateway.per_server,
        ca_file=settings.servers.ca_file,
    )


def _shown_to_servers(entry: credentials.Credentials) -> Basic | Bearer:
    secret = SecretFile(entry.file) if entry.file else KnownSecret(entry.secret or "")
    return Basic(entry.username, secret) if entry.username else Bearer(secret)


def patience(settings: Settings) -> Patience:
    asked = settings.servers
    return Patience(
        fast=timedelta(seconds=asked.fast),
        slow=timedelta(seconds=asked.slow),
        silence=timedelta(seconds=asked.silence),
        fresh=timedelta(seconds=asked.fresh),
    )


class Telling:
    """What a worker process does: deliver, ask, sweep, expire. Made inside its event loop."""

    def __init__(self, stores: Stores, settings: Settings, executor: Executor) -> None:
        clock = SystemClock()
        self.runs, self.clock = stores.runs, clock
        self.sender = HttpSender(
            AddressPolicy(settings.egress.allow),
            connect_timeout=settings.delivery.connect_timeout,
            total_timeout=settings.delivery.total_timeout,
        )
        lanes = Lanes(settings.delivery.concurrency, settings.delivery.per_host)
        self.deliverer = _deliverer(stores, self.sender, clock, executor, lanes)
        self.dispatcher = Dispatcher(self.deliverer.deliver, asyncio.get_running_loop())
        self.tes_servers = tes_servers(settings)
        self.reconciler = _reconciler(stores, self.tes_servers, self.dispatcher, clock, settings)
        self.ticks = _ticks(stores, self.dispatcher, clock, settings)


def _deliverer(
    stores: Stores, sender: Sender, clock: SystemClock, executor: Executor, lanes: Lanes
) -> Deliverer:
    return Deliverer(
        stores.tasks,
        stores.runs,
        stores.delivery_log,
        sender,
        clock,
        chance=random.random,
        # Unique for each life of a process: a lease of one that died is not its successor's.
        holder=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        executor=executor,
        lanes=lanes,
    )


def _reconciler(
    stores: Stores,
    servers: HttpTesServers,
    doorbell: Doorbell,
    clock: SystemClock,
    settings: Settings,
) -> Reconciler:
    # Nobody waits in a worker; and what it finds it tells itself, as the sweeper does.
    recorder = Recorder(stores.tasks, doorbell, Watch(stores.tasks, clock))
    terms = reconciling.Terms(
        tag=Tag(settings.gateway.tag.key, settings.gateway.tag.value),
        budget=Budget(
            settings.servers.requests_per_second,
            settings.servers.burst,
            settings.servers.wanted_requests_per_second,
        ),
        patience=patience(settings),
    )
    means = reconciling.Means(
        tes_servers=servers,
        servers=stores.servers,
        tasks=stores.tasks,
        observer=Observer(recorder, clock),
        clock=clock,
        chance=random.random,
        terms=terms,
    )
    return Reconciler(means, Places(POLLS_AT_ONCE).start)


def _ticks(
    stores: Stores, doorbell: Doorbell, clock: SystemClock, settings: Settings
) -> list[Tick]:
    # The sweeper rings in its own worker: what is owed is told without the broker too.
    sweeper = Sweeper(stores.tasks, stores.runs, doorbell, clock)
    retention = Retention(
        tasks=timedelta(days=settings.retention.tasks_days),
        deliveries=timedelta(days=settings.retention.deliveries_days),
    )
    expirer = Expirer(stores.tasks, stores.runs, stores.delivery_log, clock, retention)
    return [
        Tick("sweep", SWEEP_EVERY, sweeper.sweep, stores.ticks, clock),
        Tick("expire", EXPIRE_EVERY, expirer.expire, stores.ticks, clock),
        Tick("forget", FORGET_EVERY, expirer.forget, stores.ticks, clock),
    ]
