"""Which certificates TES servers may show."""

import ssl
from pathlib import Path

import certifi

from callback_service.domain.errors import ConfigError


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Trusts the system's authorities, the public ones, and those in `ca_file`."""
    context = ssl.create_default_context()
    # Slim container images have no authorities of their own.
    context.load_verify_locations(certifi.where())
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            reason = error.strerror or "no certificates in PEM"
            raise ConfigError(f"custom.servers.ca_file: {ca_file}: {reason}") from None
    return context
