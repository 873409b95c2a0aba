"""What this service is, and whether it works."""

from typing import Any

from flask import current_app

from callback_service.entrypoints.api.services import services


def get_service_info() -> dict[str, Any]:
    info: dict[str, Any] = current_app.extensions["service_info"]
    return info


def healthz() -> dict[str, Any]:
    return {"status": "ok"}


def readyz() -> dict[str, Any]:
    return {"status": "ready", "checks": services().readiness.checks()}
