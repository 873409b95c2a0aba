"""Where this service is, for whoever is told an address of it."""

from flask import current_app, request


def own_url() -> str:
    """As the operator says, else as the caller reached it; without a slash at its end."""
    base: str = current_app.extensions["public_url"] or request.host_url
    return base.rstrip("/")
