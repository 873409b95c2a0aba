"""`/v1/runs`."""

from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any

from flask import Response, request

from callback_service.domain.errors import InvalidInput
from callback_service.domain.run import Run
from callback_service.entrypoints.access import Role, caller, needs
from callback_service.entrypoints.api.own_url import own_url
from callback_service.entrypoints.api.paging import last_of, page_token
from callback_service.entrypoints.api.read import (
    read_change,
    read_registration,
    read_rewind,
    read_tasks,
)
from callback_service.entrypoints.api.services import services
from callback_service.entrypoints.api.shown import (
    shown_attempt,
    shown_run,
    shown_states,
    shown_task,
)
from callback_service.relay.ports import RunFilter
from callback_service.relay.register import Keys

Json = dict[str, Any]


@needs(Role.USER)
def register_run(body: Json) -> tuple[Json, int, dict[str, str]]:
    run, keys = services().registrar.register(caller().owner, read_registration(body))
    location = {"Location": f"/v1/runs/{run.id}"}
    return {**shown_run(run), **_shown_keys(keys)}, 201, location


@needs(Role.READ)
def list_runs(
    page_size: int,
    name_prefix: str = "",
    status: str | None = None,
    page_token: str | None = None,
) -> Json:
    wanted = RunFilter(caller().owner, name_prefix, _read_tags(), status)
    runs = services().runs.list(wanted, last_of(page_token), page_size)
    return _page("runs", [shown_run(run) for run in runs], page_size, [run.id for run in runs])


@needs(Role.READ)
def get_run(run_id: str) -> Json:
    run = _find(run_id)
    states, owed = services().tasks.counts(run_id)
    return {
        **shown_run(run),
        "tasks": states,
        "owed": owed,
        "dead_letters": services().delivery_log.dead_letters(run_id),
    }


@needs(Role.USER)
def change_run(run_id: str, body: Json) -> Json:
    fields, lifetime = read_change(body)
    return shown_run(services().registrar.change(caller().owner, run_id, fields, lifetime))


@needs(Role.USER)
def delete_run(run_id: str) -> Response:
    services().registrar.delete(caller().owner, run_id)
    return Response(status=204)


@needs(Role.USER)
def pause_run(run_id: str) -> Json:
    return shown_run(services().registrar.pause(caller().owner, run_id))


@needs(Role.USER)
def resume_run(run_id: str) -> Json:
    return shown_run(services().registrar.resume(caller().owner, run_id))


@needs(Role.USER)
def redeliver_run(run_id: str, body: Json) -> tuple[Json, int]:
    run = services().registrar.redeliver(caller().owner, run_id, read_rewind(body))
    return shown_run(run), 202


@needs(Role.USER)
def rotate_run(run_id: str, body: Json) -> Json:
    overlap = timedelta(seconds=body.get("overlap", 86400))
    return _shown_keys(services().registrar.rotate(caller().owner, run_id, overlap))


@needs(Role.READ)
def list_run_tasks(run_id: str, page_size: int, page_token: str | None = None) -> Json:
    _find(run_id)
    tasks = services().tasks.of_run(run_id, last_of(page_token), page_size)
    shown = [shown_task(task) for task in tasks]
    return _page("tasks", shown, page_size, [str(task.key) for task in tasks])


@needs(Role.USER)
def add_run_tasks(run_id: str, body: Json) -> Json:
    keys = services().registrar.add_tasks(caller().owner, run_id, read_tasks(body["tasks"]))
    return shown_states(keys, services().reader.states(keys))


@needs(Role.READ)
def list_run_deliveries(run_id: str, page_size: int, page_token: str | None = None) -> Json:
    _find(run_id)
    before = _read_stamp(last_of(page_token))
    attempts = services().delivery_log.of_run(run_id, before, page_size)
    shown = [shown_attempt(attempt) for attempt in attempts]
    return _page("deliveries", shown, page_size, [attempt.at.isoformat() for attempt in attempts])


def _find(run_id: str) -> Run:
    return services().registrar.find(caller().owner, run_id)


def _read_tags() -> tuple[tuple[str, str], ...]:
    # As they were sent: Connexion would divide a value at its commas.
    keys, values = request.args.getlist("tag_key"), request.args.getlist("tag_value")
    if len(values) > len(keys):
        raise InvalidInput("tag_value", "has no `tag_key` at the same place")
    return tuple(zip_longest(keys, values, fillvalue=""))


def _page(plural: str, shown: list[Json], page_size: int, keys: list[str]) -> Json:
    page: Json = {plural: shown}
    if len(shown) == page_size:
        page["next_page_token"] = page_token(keys[-1])
    return page


def _shown_keys(keys: Keys) -> Json:
    return {"callback_url": f"{own_url()}/callbacks/{keys.token}", "secret": keys.secret}


def _read_stamp(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        raise InvalidInput("page_token", "is not a page token of this list") from None
