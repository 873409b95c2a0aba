"""What can be done before any process runs."""

from collections.abc import Callable
from dataclasses import dataclass

from callback_service.adapters.celery_doorbell import CeleryDoorbell
from callback_service.domain.server import Access
from callback_service.relay.ready import Readiness
from callback_service.wiring.configured import Configured
from callback_service.wiring.stores import celery_of, stores
from callback_service.wiring.tes import server_registry


@dataclass(frozen=True, slots=True)
class DefaultServer:
    """The TES server that is meant where none is named."""

    url: str
    access: Access


def migrate(configured: Configured) -> dict[str, int]:
    """Bring all documents up to date, whatever was done before; how many were not, by step."""
    app = configured.foca._create_base_app().app  # noqa: SLF001  FOCA has no public way to it
    return stores(app, configured.settings).schema.migrate(again=True)


def prepare(configured: Configured, default: DefaultServer | None = None) -> dict[str, str]:
    """Create indexes, register the default server; return what database and broker say, by name.

    Raises `InvalidInput` for a server that cannot be one.
    """
    app = configured.foca._create_base_app().app  # noqa: SLF001  FOCA has no public way to it
    settings = configured.settings
    stored = stores(app, settings)
    doorbell = CeleryDoorbell(celery_of(app, settings), settings.broker.gather)
    needed: dict[str, Callable[[], object]] = {
        "database": stored.connection.check,
        "indexes": stored.connection.index,
        "schema": stored.schema.migrate,
    }
    answers = Readiness(needed, {"broker": doorbell.check}).checks()
    if default:
        server = server_registry(stored, settings).make_default(default.url, default.access)
        answers["TES server"] = server.url
    return answers
