"""Every error as a problem (RFC 9457): the one place where errors meet HTTP."""

import json
import logging
from http import HTTPStatus
from typing import Any

from connexion.exceptions import ProblemException
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from callback_service.domain import errors
from callback_service.entrypoints.api.validation import InvalidRequest
from callback_service.relay.gateway.answer import status_of

log = logging.getLogger(__name__)

STATUS: dict[type[errors.ServiceError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Unknown: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.CursorExpired: HTTPStatus.GONE,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NewerData: HTTPStatus.SERVICE_UNAVAILABLE,
    # Or that it took too long.
    errors.ServerFailed: HTTPStatus.BAD_GATEWAY,
}

# Frameworks say little; these say what to do.
_ADVICE = {
    401: "send 'Authorization: Bearer TOKEN' with a token that this service knows",
    404: "there is nothing at this address; the API is described at /ui/",
    405: "this address is there, but not for this method",
    413: "the body is larger than this service takes",
}


def problem(
    status: int,
    detail: str,
    fields: list[tuple[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """A problem document; `fields` are pairs of field and reason."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _title(status),
        "status": status,
        "detail": detail,
    }
    if fields:
        body["errors"] = [{"field": field, "reason": reason} for field, reason in fields]
    response = Response(json.dumps(body), status, content_type="application/problem+json")
    response.headers.update(headers or {})
    return response


def register(app: Flask) -> None:
    """Answer every error of the service and of its frameworks by a problem."""
    app.register_error_handler(errors.ServiceError, _from_service)
    app.register_error_handler(ProblemException, _from_connexion)
    app.register_error_handler(HTTPException, _from_werkzeug)
    app.register_error_handler(Exception, _from_bug)


def _from_service(error: errors.ServiceError) -> Response:
    status: int = STATUS[type(error)]
    fields = None
    if isinstance(error, InvalidRequest):
        fields = list(error.errors)
    elif isinstance(error, errors.InvalidInput):
        fields = [(error.field, error.reason)]
    elif isinstance(error, errors.ServerFailed):
        status = status_of(error)
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
        shown = {"error": str(error), "cause": error.cause}
        log.warning("request.unavailable", extra={"fields": shown})
    return problem(status, str(error), fields, headers)


def _from_connexion(error: ProblemException) -> Response:
    return problem(error.status, error.detail or _title(error.status))


def _from_werkzeug(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {
        name: value for name, value in error.get_headers() if not name.startswith("Content-")
    }
    if status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    detail = _ADVICE.get(status) or error.description or _title(status)
    if error.response is not None:
        # A redirect, to the same address with a slash.
        return error.get_response()  # type: ignore[return-value]  # it is what it was made with
    return problem(status, detail, headers=headers)


def _from_bug(error: Exception) -> Response:
    log.error("request.failed", exc_info=error)
    return problem(500, "the service failed; its log says how")


def _title(status: int) -> str:
    if status == 413:  # older Pythons know its older name
        return "Content Too Large"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
