"""Runs that have lost their engine: `/v1/runs:stuck`, `/v1/runs/{run_id}:fail`."""

from datetime import timedelta
from typing import Any

from callback_service.entrypoints.access import Role, caller, needs
from callback_service.entrypoints.api.paging import last_of
from callback_service.entrypoints.api.paging import page_token as written
from callback_service.entrypoints.api.services import services
from callback_service.entrypoints.api.shown import shown_run, shown_stuck

Json = dict[str, Any]

# As the contract says.
GIVEN_UP = "given up by an operator"


@needs(Role.ADMIN)
def list_stuck_runs(
    quiet_for: int, page_size: int, page_token: str | None = None, *, unsure: bool = False
) -> Json:
    stuck, last = services().stuck.page(
        timedelta(seconds=quiet_for), last_of(page_token) or "", page_size, unsure=unsure
    )
    page: Json = {"runs": [shown_stuck(one) for one in stuck]}
    return page if last is None else {**page, "next_page_token": written(last)}


@needs(Role.ADMIN)
def fail_run(run_id: str, body: Json) -> tuple[Json, int]:
    run = services().stuck.give_up(run_id, caller().owner, body.get("reason", GIVEN_UP))
    return shown_run(run), 202
