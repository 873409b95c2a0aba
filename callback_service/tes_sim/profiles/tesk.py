"""TESK: TES 1.0 on Kubernetes."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from callback_service.domain.states import State
from callback_service.tes_sim.profiles.profile import Profile
from callback_service.tes_sim.reply import Refused
from callback_service.tes_sim.submitted import TES_1_0

_MOST_CORES, _MOST_GB = 10_000, 1_000_000


def _error(status: int, message: str) -> Mapping[str, Any]:
    return {"status": status, "error": HTTPStatus(status).phrase, "message": message}


def _check(task: Mapping[str, Any]) -> None:
    """What Kubernetes does not take comes back as an error of the server."""
    if "\0" in (task.get("name") or ""):
        raise Refused(500, "Kubernetes refused the job: metadata.annotations")
    resources = task.get("resources") or {}
    most = {"cpu_cores": _MOST_CORES, "ram_gb": _MOST_GB, "disk_gb": _MOST_GB}
    for name, limit in most.items():
        if not 0 <= (resources.get(name) or 0) <= limit:
            raise Refused(500, f"Kubernetes refused the job: resources.{name}")


TESK = Profile(
    name="tesk",
    version="1.0",
    fields=TES_1_0,
    check=_check,
    error=_error,
    filters=frozenset(),
    has_pages=False,
    queues_executors=True,
    canceling=None,
    preempted=State.SYSTEM_ERROR,
)
