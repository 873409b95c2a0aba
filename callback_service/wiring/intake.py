"""An API process."""

from datetime import timedelta
from functools import partial

from celery import Celery

from callback_service.adapters.celery_doorbell import CeleryDoorbell
from callback_service.config.settings import Settings
from callback_service.domain.addresses import AddressPolicy
from callback_service.relay.ready import Readiness, Remembered
from callback_service.relay.receive import Receiver
from callback_service.relay.record import Recorder
from callback_service.relay.register import Registrar
from callback_service.relay.stuck import StuckRuns
from callback_service.relay.updates import Reader
from callback_service.relay.watch import Watch
from callback_service.wiring.gateway import gateway_of
from callback_service.wiring.sinks import wes_runs
from callback_service.wiring.stores import Stores
from callback_service.wiring.tes import server_registry

# Seconds for which an answer to a probe is good: probes come without a token.
DATABASE_SEEN = 1.0
BROKER_SEEN = 5.0
# It changes with the version of the service only.
SCHEMA_SEEN = 10.0
# Together with the database's answer within the second that probes wait by default.
BROKER_PATIENCE = 0.5


class Intake:
    """What an API process does: receive, register, read."""

    def __init__(self, stores: Stores, celery: Celery, settings: Settings) -> None:
        self.clock = clock = stores.clock
        self.runs, self.tasks, self.delivery_log = stores.runs, stores.tasks, stores.delivery_log
        doorbell = CeleryDoorbell(celery, settings.broker.gather)
        self._watch = watch = Watch(stores.tasks, clock)
        recorder = Recorder(stores.tasks, doorbell, watch)
        policy = AddressPolicy(settings.egress.allow)
        retention = timedelta(days=settings.retention.tasks_days)
        self.receiver = Receiver(
            stores.runs, stores.tasks, recorder, clock, bound=stores.connection.within
        )
        self.servers = server_registry(stores, settings)
        self.registrar = Registrar(
            stores.runs,
            stores.tasks,
            self.servers,
            recorder,
            doorbell,
            clock,
            policy,
            settings.cwl_wes.targets.keys(),
        )
        self.reader = Reader(stores.tasks, stores.runs, watch, clock, retention, self.servers)
        self.stuck = StuckRuns(stores.runs, stores.tasks, wes_runs(settings), doorbell, clock)
        self.gateway = gateway_of(stores, self.registrar, recorder, watch, settings)
        ask_broker = partial(doorbell.check, BROKER_PATIENCE)
        self.readiness = Readiness(
            needed={
                "database": Remembered(stores.connection.check, DATABASE_SEEN),
                "schema": Remembered(stores.schema.check, SCHEMA_SEEN),
            },
            missed={"broker": Remembered(ask_broker, BROKER_SEEN)},
        )

    def stop(self) -> None:
        """Keep nobody waiting any more; whoever is to be answered still is."""
        self.readiness.stop()
        self._watch.stop()
