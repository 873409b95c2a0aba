"""The gateway of an API process."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from callback_service import config
from callback_service.adapters.breath import Breath
from callback_service.adapters.folder_outcomes import FolderOutcomes
from callback_service.config.settings import Settings
from callback_service.domain.tes import Tag
from callback_service.relay.gateway.gateway import Gateway, Ground, Terms, build_gateway
from callback_service.relay.record import Recorder
from callback_service.relay.register import Registrar
from callback_service.relay.watch import Watch
from callback_service.wiring.stores import Stores
from callback_service.wiring.tes import patience, tes_servers

# Names the folder that the processes of one `serve` share.
HOST_FOLDER = "CALLBACK_HOST_FOLDER"


def gateway_of(
    stores: Stores, registrar: Registrar, recorder: Recorder, watch: Watch, settings: Settings
) -> Gateway:
    ground = Ground(
        tasks=stores.tasks,
        runs=stores.runs,
        servers=stores.servers,
        fingerprints=stores.fingerprints,
        outcomes=stores.outcomes,
        near_outcomes=FolderOutcomes(_host_folder()),
        tes=tes_servers(settings),
        clock=registrar.clock,
        policy=registrar.policy,
        recorder=recorder,
        registrar=registrar,
        watch=watch,
        aside=_aside,
        breathe=Breath(),
        pause=time.sleep,
    )
    terms = Terms(
        tag=Tag(settings.gateway.tag.key, settings.gateway.tag.value),
        run_tag=settings.gateway.run_tag,
        accepted_for=timedelta(seconds=settings.gateway.accepted_for),
        patience=patience(settings),
        answered_within=timedelta(seconds=settings.gateway.timeout),
        own_url=settings.public_url,
    )
    return build_gateway(ground, terms)


def _host_folder() -> Path:
    """What `serve` made for all of its processes; one that runs alone has its own."""
    return Path(config.environment().get(HOST_FOLDER) or _own_folder().name)


@cache
def _own_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="callback-service-")


def _aside(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()
