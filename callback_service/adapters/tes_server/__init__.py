"""Asks TES servers: with one base path, one deadline and one attempt for whatever changes them."""

from callback_service.adapters.tes_server.client import HttpTesServers
from callback_service.adapters.tes_server.credentials import (
    Basic,
    Bearer,
    Credentials,
    KnownSecret,
    SecretFile,
)

__all__ = ["Basic", "Bearer", "Credentials", "HttpTesServers", "KnownSecret", "SecretFile"]
