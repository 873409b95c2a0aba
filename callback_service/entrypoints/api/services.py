"""What controllers call: the relay as it was wired for this process."""

from typing import Protocol, cast

from flask import current_app

from callback_service.relay.gateway.gateway import Gateway
from callback_service.relay.ports import DeliveryLog, Runs, Tasks
from callback_service.relay.ready import Readiness
from callback_service.relay.receive import Receiver
from callback_service.relay.register import Registrar
from callback_service.relay.servers import ServerRegistry
from callback_service.relay.stuck import StuckRuns
from callback_service.relay.updates import Reader


class Services(Protocol):
    """The relay of an API process."""

    receiver: Receiver
    registrar: Registrar
    reader: Reader
    servers: ServerRegistry
    gateway: Gateway
    readiness: Readiness
    stuck: StuckRuns
    runs: Runs
    tasks: Tasks
    delivery_log: DeliveryLog


def services() -> Services:
    return cast("Services", current_app.extensions["callback_service"])
