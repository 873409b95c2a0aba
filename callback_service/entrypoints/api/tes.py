"""The TES operations: the gateway in front of TES servers."""

from urllib.parse import parse_qs, quote

from flask import Response, request

from callback_service.domain.tes import MINIMAL, Manner
from callback_service.domain.tes_submission import Submission
from callback_service.entrypoints.access import Role
from callback_service.entrypoints.api.preferences import preferred_wait
from callback_service.entrypoints.api.problems import problem
from callback_service.entrypoints.api.services import services
from callback_service.entrypoints.api.validation import checked_json
from callback_service.entrypoints.api.visitors import address, visiting
from callback_service.relay.gateway.answer import Answer
from callback_service.relay.gateway.gateway import Gateway
from callback_service.relay.gateway.look import Look
from callback_service.relay.gateway.named import TaskPath
from callback_service.relay.gateway.visit import Visit

# What a query may hold as it is (RFC 3986), and what browsers leave as it is.
_PLAIN = "%!$&'()*+,;=:@/?~[]|"


@visiting(None)
def get_service_info(visit: Visit) -> Response:
    is_old, is_strict = address().is_old_service_info, _knows_no_more_than_tes()
    return _shown(_gateway().passing.service_info(visit, is_old=is_old, is_strict=is_strict))


@visiting(Role.READ)
def list_tasks(visit: Visit) -> Response:
    return _shown(_gateway().passing.page(visit, _query(), _manner(visit)))


@visiting(Role.USER)
def create_task(visit: Visit) -> Response:
    submission = Submission.read(checked_json(request))
    run_id = request.headers.get("X-Run-Id")
    return _shown(_gateway().submitter.submit(visit, submission, run_id))


@visiting(Role.READ)
def get_task(visit: Visit, id: str) -> Response:  # noqa: A002  the contract's name
    wait = preferred_wait(request.headers.getlist("Prefer"))
    look = Look(visit, TaskPath.read(id), _query(), _manner(visit), wait)
    return _shown(_gateway().looker.look(look))


@visiting(Role.USER)
def cancel_task(visit: Visit, id: str) -> Response:  # noqa: A002
    return _shown(_gateway().passing.cancel(visit, TaskPath.read(id), _query()))


# The specification's operationIds.
GetServiceInfo, ListTasks, CreateTask = get_service_info, list_tasks, create_task
GetTask, CancelTask = get_task, cancel_task


def _gateway() -> Gateway:
    return services().gateway


def _shown(answer: Answer) -> Response:
    headers = dict(answer.headers)
    if answer.detail is not None:
        return problem(answer.status, answer.detail, headers=headers)
    return Response(answer.body, answer.status, headers, content_type=answer.content_type)


def _query() -> str:
    """As it came, so that the server judges it; but what does not belong there is quoted."""
    return quote(request.query_string, safe=_PLAIN)


def _manner(visit: Visit) -> Manner:
    views = parse_qs(request.query_string.decode("latin-1")).get("view", [MINIMAL])
    return Manner(views[-1] == MINIMAL, visit.variant, _gateway().tag)


def _knows_no_more_than_tes() -> bool:
    """Whether the client breaks on what TES 1.1 does not have, as py-tes does.

    It is known by declaring the type of a body that its GETs do not have.
    """
    return "Content-Type" in request.headers
