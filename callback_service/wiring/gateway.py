"""The gateway of an API process."""

import threading
from collections.abc import Callable
from datetime import timedelta

from callback_service.config.settings import Settings
from callback_service.domain.tes import Tag
from callback_service.relay.gateway.gateway import Gateway, Ground, Terms, build_gateway
from callback_service.relay.record import Recorder
from callback_service.relay.register import Registrar
from callback_service.relay.watch import Watch
from callback_service.wiring.stores import Stores
from callback_service.wiring.tes import patience, tes_servers


def gateway_of(
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
