"""TES servers, as both kinds of processes reach and know them."""

from datetime import timedelta

from callback_service import config
from callback_service.adapters.tes_server import (
    Basic,
    Bearer,
    HttpTesServers,
    KnownSecret,
    SecretFile,
)
from callback_service.config import credentials
from callback_service.config.settings import Settings
from callback_service.domain.freshness import Patience
from callback_service.relay.servers import ServerRegistry
from callback_service.wiring.stores import Stores


def server_registry(stores: Stores, settings: Settings) -> ServerRegistry:
    credentials_known = settings.servers.credentials.keys()
    return ServerRegistry(stores.servers, stores.clock, credentials_known, settings.public_url)


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
