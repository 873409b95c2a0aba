"""A worker process."""

import asyncio
import os
import random
import secrets
import socket
from concurrent.futures import Executor
from datetime import timedelta
from functools import partial

from callback_service.adapters.tes_server import (
    HttpTesServers,
)
from callback_service.config.settings import Settings
from callback_service.domain.polling import Budget
from callback_service.domain.tes import Tag
from callback_service.relay.deliver import Deliverer
from callback_service.relay.dispatch import Dispatcher
from callback_service.relay.lanes import Lanes
from callback_service.relay.observe import Observer
from callback_service.relay.ports import Clock, Doorbell, Sender
from callback_service.relay.reconcile import means as reconciling
from callback_service.relay.reconcile.places import Places
from callback_service.relay.reconcile.reconciler import Reconciler
from callback_service.relay.record import Recorder
from callback_service.relay.stuck import FAIL_STUCK_EVERY, StuckRuns
from callback_service.relay.sweep import (
    EXPIRE_EVERY,
    FORGET_EVERY,
    MIGRATE_EVERY,
    SWEEP_EVERY,
    Brief,
    Expirer,
    Retention,
    Sweeper,
    Tick,
)
from callback_service.relay.watch import Watch
from callback_service.wiring.sinks import Sinks
from callback_service.wiring.stores import Stores
from callback_service.wiring.tes import patience, tes_servers

# A server that is slow to answer takes one of a worker's places.
POLLS_AT_ONCE = 16


class Telling:
    """What a worker process does: deliver, ask, sweep, expire. Made inside its event loop."""

    def __init__(self, stores: Stores, settings: Settings, executor: Executor) -> None:
        clock = stores.clock
        self.runs, self.clock = stores.runs, clock
        self.sinks = Sinks(settings)
        lanes = Lanes(settings.delivery.concurrency, settings.delivery.per_host)
        self.deliverer = _deliverer(stores, self.sinks.sender, clock, executor, lanes)
        self.dispatcher = Dispatcher(self.deliverer.deliver, asyncio.get_running_loop())
        self.tes_servers = tes_servers(settings)
        self.reconciler = _reconciler(stores, self.tes_servers, self.dispatcher, clock, settings)
        self.ticks = [
            *_ticks(stores, self.dispatcher, clock, settings),
            *_giving_up(stores, self.sinks, self.dispatcher, clock, settings),
        ]


def _deliverer(
    stores: Stores, sender: Sender, clock: Clock, executor: Executor, lanes: Lanes
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
    clock: Clock,
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


def _ticks(stores: Stores, doorbell: Doorbell, clock: Clock, settings: Settings) -> list[Tick]:
    # The sweeper rings in its own worker: what is owed is told without the broker too.
    sweeper = Sweeper(stores.tasks, stores.runs, doorbell, clock)
    retention = Retention(
        tasks=timedelta(days=settings.retention.tasks_days),
        deliveries=timedelta(days=settings.retention.deliveries_days),
    )
    expirer = Expirer(stores.tasks, stores.runs, stores.delivery_log, clock, retention)
    brief = Brief([stores.fingerprints, stores.outcomes], clock)
    return [
        Tick("migrate", MIGRATE_EVERY, stores.schema.migrate, stores.ticks, clock),
        Tick("sweep", SWEEP_EVERY, sweeper.sweep, stores.ticks, clock),
        Tick("expire", EXPIRE_EVERY, expirer.expire, stores.ticks, clock),
        Tick("forget", FORGET_EVERY, expirer.forget, stores.ticks, clock),
        Tick("forget brief", FORGET_EVERY, brief.forget, stores.ticks, clock),
    ]


def _giving_up(
    stores: Stores, sinks: Sinks, doorbell: Doorbell, clock: Clock, settings: Settings
) -> list[Tick]:
    """Nothing, unless an operator has set after how long."""
    after = settings.cwl_wes.fail_stuck_after
    if after is None:
        return []
    stuck = StuckRuns(stores.runs, stores.tasks, sinks.wes_runs, doorbell, clock)
    give_up = partial(stuck.give_up_all, timedelta(seconds=after))
    return [Tick("fail stuck", FAIL_STUCK_EVERY, give_up, stores.ticks, clock)]
