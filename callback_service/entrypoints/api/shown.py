"""Values of the domain in the contract's words."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from callback_service.domain.delivery import Attempt
from callback_service.domain.polling import CallsBack, Polling
from callback_service.domain.run import Failing, Run
from callback_service.domain.server import Server
from callback_service.domain.sink import CwlWesSink, NoSink, Sink, WesSink
from callback_service.domain.states import State
from callback_service.domain.task import Task, TaskKey, Update
from callback_service.domain.wording import rfc3339
from callback_service.relay.stuck import StuckRun


def shown_run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "owner": run.owner,
        "server": run.server,
        "tags": dict(run.tags),
        "sink": _shown_sink(run.sink),
        "status": run.status,
        "created_at": rfc3339(run.created_at),
        "expires_at": rfc3339(run.expires_at),
        "retry_schedule": [_number(delay) for delay in run.retry.schedule],
        "failures": run.failures,
        **_present(
            next_attempt_at=_time(run.next_attempt_at),
            last_delivery_at=_time(run.last_delivery_at),
            last_error=run.last_error,
            failing=_shown_failing(run.failing),
        ),
    }


def shown_stuck(stuck: StuckRun) -> dict[str, Any]:
    run = stuck.run
    return {
        "id": run.id,
        "name": run.name,
        "owner": run.owner,
        "sink": _shown_sink(run.sink),
        "tasks": stuck.rest.states,
        "quiet_for": int(stuck.quiet_for.total_seconds()),
        "sure": stuck.is_sure,
        "why": stuck.why,
        **_present(
            last_change_at=_time(stuck.rest.last_change),
            wes_state=stuck.wes_run and stuck.wes_run.state,
        ),
    }


def shown_task(task: Task, run_ids: Iterable[str] | None = None) -> dict[str, Any]:
    return {
        "server": task.key.server,
        "id": task.key.task_id,
        "state": task.state,
        "seq": task.seq,
        "final": task.state.is_final,
        "history": [_shown_update(update) for update in task.history],
        **_present(
            updated_at=_time(task.updated_at),
            heard_at=_time(task.heard_at),
            confirmed_at=_time(task.confirmed_at),
            runs=None if run_ids is None else list(run_ids),
        ),
    }


def shown_states(keys: Iterable[TaskKey], known: Mapping[TaskKey, State]) -> dict[str, Any]:
    return {
        "states": [
            {"server": key.server, "id": key.task_id, "state": known.get(key, State.UNKNOWN)}
            for key in keys
        ]
    }


def shown_attempt(attempt: Attempt) -> dict[str, Any]:
    answer = attempt.answer
    return {
        "at": rfc3339(attempt.at),
        "webhook_id": attempt.webhook_id,
        "attempt": attempt.number,
        "updates": attempt.updates,
        "verdict": attempt.verdict,
        "latency_ms": round(answer.latency * 1000, 1),
        **_present(status=answer.status, error=answer.error, answer=answer.body or None),
    }


def shown_server(server: Server, own_url: str) -> dict[str, Any]:
    """`own_url` is the address of this service, below which the gateways are."""
    return {
        "name": server.key,
        "url": server.url,
        "gateway_url": f"{own_url}/gateway/{server.key}",
        "access": server.access,
        "calls_back": server.tells,
        "calls_back_learnt": server.calls_back is CallsBack.UNKNOWN,
        "default": server.is_default,
        "polling": _shown_polling(server.polling),
        "created_at": rfc3339(server.created_at),
        **_present(credentials=server.credentials),
    }


def _shown_polling(polling: Polling) -> dict[str, Any]:
    return {
        "requests": polling.requests,
        "failures": polling.failures,
        "filters": polling.filters,
        **_present(
            last_poll_at=_time(polling.polled_at),
            covered_at=_time(polling.covered_at),
            next_poll_at=_time(polling.next_at),
            error=polling.error,
        ),
    }


def _shown_update(update: Update) -> dict[str, Any]:
    return {
        "seq": update.seq,
        "state": update.state,
        "at": rfc3339(update.at),
        "source": update.source,
        **_present(reason=update.reason),
    }


def _shown_failing(failing: Failing | None) -> dict[str, Any] | None:
    if failing is None:
        return None
    return {"by": failing.by, "at": rfc3339(failing.at), "reason": failing.reason}


def _shown_sink(sink: Sink) -> dict[str, Any]:
    if isinstance(sink, CwlWesSink):
        return {"type": "cwl-wes", "target": sink.target, "wes_run_id": sink.wes_run_id}
    if isinstance(sink, NoSink):
        return {"type": "none"}
    # Their values may be secrets.
    posted = {"url": sink.url, "header_names": sorted(sink.headers)}
    if isinstance(sink, WesSink):
        return {"type": "wes", **posted, "wes_run_id": sink.wes_run_id}
    return {"type": "http", **posted, "format": sink.format}


def _number(delay: float) -> float:
    """Without a fraction that is none."""
    return int(delay) if delay.is_integer() else delay


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
