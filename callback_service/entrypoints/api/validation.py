"""Requests checked against the contract, with errors that name the field and the way out.

Connexion's own validators answer with the whole offending value and its schema;
these take their place through `validator_map` and are given the same schemas.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connexion.decorators.uri_parsing import OpenAPIURIParser
from connexion.decorators.validation import ParameterValidator, TypeValidationError, coerce_type
from connexion.exceptions import UnsupportedMediaTypeProblem
from connexion.json_schema import Draft4RequestValidator
from connexion.utils import is_json_mimetype
from flask import Request, current_app
from gunicorn.http.errors import ParseException
from jsonschema import Draft4Validator, draft4_format_checker
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from callback_service.domain.errors import ServiceError
from callback_service.entrypoints.api import strict_json
from callback_service.entrypoints.api.reasons import MAX_ERRORS, MAX_SHOWN, faults
from callback_service.entrypoints.gateway_paths import LONGEST_BODY

# Python also reads `nan`, `1_0` and digits of other scripts as numbers.
_JSON = "application/json"
# Pages can let a browser send a body without a type to any site, unasked, but not without these.
_BY_BROWSERS = ("Origin", "Sec-Fetch-Site")

_NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?")


class InvalidRequest(ServiceError):
    """The request breaks the contract; `errors` are pairs of field and reason."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in errors))
        self.errors = errors


class BodyValidator:
    """Takes the place of Connexion's `RequestBodyValidator`, and of its arguments."""

    def __init__(  # noqa: PLR0917  Connexion's order
        self,
        schema: Mapping[str, Any],
        consumes: Sequence[str],
        api: Any,  # noqa: ARG002  Connexion passes it by position
        is_null_value_valid: bool = False,  # noqa: ARG002, FBT001, FBT002
        validator: Any = None,  # noqa: ARG002
        strict_validation: bool = False,  # noqa: ARG002, FBT001, FBT002
    ) -> None:
        self._validator = Draft4RequestValidator(schema, format_checker=draft4_format_checker)
        self._consumes = consumes
        # The contract gives a body that may be left out a default.
        self._default = schema.get("default")

    def __call__(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @functools.wraps(function)
        def checked(request: Any) -> Any:
            data = self._parsed(request)
            errors = list(faults(self._validator.iter_errors(data)))
            if errors:
                raise InvalidRequest(errors)
            request.json_getter = lambda: data
            return function(request)

        return checked

    def _parsed(self, request: Any) -> Any:
        if not request.body and self._default is not None:
            return self._default
        declared = request.headers.get("Content-Type", "")
        return _parsed(request.body, declared, self._consumes[0])


def checked_json(request: Request) -> bytes:
    """The body as it came, which is JSON; what is in it is for others to judge."""
    body: bytes = request.get_data()
    declared = request.headers.get("Content-Type", "").strip()
    if not declared and not any(name in request.headers for name in _BY_BROWSERS):
        # Real servers take it, and clients forget it.
        declared = _JSON
    _parsed(body, declared, _JSON)
    return body


def _parsed(body: bytes, declared: str, wanted: str) -> Any:
    if not body:
        raise InvalidRequest([("body", "is missing; send a JSON object")])
    if not _is_json(declared):
        detail = f"send the body as Content-Type: {wanted} (curl: -H 'Content-Type: {wanted}')"
        raise UnsupportedMediaTypeProblem(detail=detail)
    try:
        return strict_json.loads(body)
    except strict_json.NotJson as error:
        raise InvalidRequest([("body", str(error))]) from None


class Unjudged:
    """Takes the place of a validator where a TES server judges, which may know more than we do."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Whatever Connexion hands its validators."""

    def __call__(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @functools.wraps(function)
        def unread(request: Any) -> Any:
            # Connexion would read the body for an argument, and fails where it is deeply nested.
            request.json_getter = lambda: None
            return function(request)

        return unread


class UnreadQuery(OpenAPIURIParser):
    """Leaves a query as it is."""

    def resolve_query(self, query_data: dict[str, list[str]]) -> dict[str, Any]:  # noqa: ARG002
        return {}


class QueryParser(OpenAPIURIParser):
    """Refuses query parameters that an operation does not have.

    Connexion's validator would, but only for operations that have any.
    """

    def resolve_query(self, query_data: dict[str, list[str]]) -> dict[str, Any]:
        known = [name for name, param in self.param_defns.items() if param["in"] == "query"]
        unknown = sorted(query_data.keys() - set(known))[:MAX_ERRORS]
        if unknown:
            reason = f"is not a parameter here; known are {', '.join(known) or 'none'}"
            raise InvalidRequest([(name[:MAX_SHOWN], reason) for name in unknown])
        resolved: dict[str, Any] = super().resolve_query(query_data)
        return resolved


class QueryValidator(ParameterValidator):
    """Connexion's `ParameterValidator` with reasons that fit into a sentence."""

    @staticmethod
    def validate_parameter(
        parameter_type: str, value: Any, param: Mapping[str, Any], param_name: str | None = None
    ) -> None:
        name = param_name or param["name"]
        if value is None:
            if param.get("required"):
                raise InvalidRequest([(name, "is missing")])
            return
        schema = param.get("schema", param)
        try:
            converted = _converted(schema, value, param, parameter_type, name)
        except TypeValidationError:
            reason = f"must be of type {schema.get('type')}"
            raise InvalidRequest([(name, reason)]) from None
        validator = Draft4Validator(schema, format_checker=draft4_format_checker)
        errors = [reason for _, reason in faults(validator.iter_errors(converted))]
        if errors:
            raise InvalidRequest([(name, errors[0])])


class RawRequest(Request):
    """Leaves bodies as they came: Connexion would read a form where the contract has none."""

    want_form_data_parsed = False

    @property  # type: ignore[misc]  # nobody sets it
    def max_content_length(self) -> int | None:  # type: ignore[override]
        """As many bytes as are read."""
        # Where no length is told, no more is read and nothing said: one more shows that it goes on.
        longest = self._longest
        return longest if longest is None or self.content_length is not None else longest + 1

    @property
    def _longest(self) -> int | None:
        """Tasks may be longer than anything that is meant for us."""
        longest: int | None = current_app.extensions["longest_body"]
        return self.environ.get(LONGEST_BODY, longest)

    def get_data(self, *args: Any, **options: Any) -> Any:
        try:
            data = super().get_data(*args, **options)
        except (OSError, ParseException) as error:
            # gunicorn's, for chunks that are none, or that end early.
            raise BadRequest("the body is not what its headers say; send it again") from error
        if self._longest is not None and len(data) > self._longest:
            raise RequestEntityTooLarge
        return data


VALIDATORS = {"body": BodyValidator, "parameter": QueryValidator}
NO_VALIDATORS = {"body": Unjudged, "parameter": Unjudged}


def _converted(
    schema: Mapping[str, Any], value: Any, param: Mapping[str, Any], kind: str, name: str
) -> Any:
    """Raises `TypeValidationError`, also for what only Python takes for a number."""
    if schema.get("type") in {"integer", "number"} and not _NUMBER.fullmatch(value):
        raise TypeValidationError(schema["type"], kind, name)
    return coerce_type(param, value, kind, name)


def _is_json(content_type: str) -> bool:
    # Java's HTTP clients write a charset behind it, which Connexion takes for a part of the name.
    name = content_type.partition(";")[0].strip().lower()
    try:
        return bool(is_json_mimetype(name))
    except ValueError:  # no slash in it
        return False
