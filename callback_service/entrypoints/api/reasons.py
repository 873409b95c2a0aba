"""What is wrong with a value, in a sentence that says what to do, whatever the value was."""

from collections.abc import Callable, Iterable
from typing import Any

from jsonschema import ValidationError

MAX_ERRORS = 10
MAX_SHOWN = 120


def faults(errors: Iterable[ValidationError]) -> Iterable[tuple[str, str]]:
    """Pairs of field and reason, in the order of the fields; the first few are enough.

    One reason for each: what is empty need not be told that it matches no pattern either.
    """
    reasons: dict[str, str] = {}
    for error in sorted(errors, key=_order):
        path = [str(part)[:MAX_SHOWN] for part in error.path]
        if error.validator == "required":
            path += _missing(error)
        reasons.setdefault(".".join(path) or "body", _reason(error))
        if len(reasons) == MAX_ERRORS:
            break
    return reasons.items()


def _order(error: ValidationError) -> tuple[list[str], bool]:
    # What may stand there says more than what type it has.
    return [str(part) for part in error.path], error.validator != "enum"


def _missing(error: ValidationError) -> list[str]:
    absent = [name for name in error.validator_value if name not in error.instance]
    # jsonschema reports each absent name in an error of its own, naming it first.
    named = [name for name in absent if error.message.startswith(repr(name))]
    return (named or absent)[:1]


def _reason(error: ValidationError) -> str:
    if error.validator == "additionalProperties":
        return _unknown_names(error)
    say = _SAYINGS.get(error.validator)
    return say(error.validator_value) if say else str(error.message)[:MAX_SHOWN]


def _unknown_names(error: ValidationError) -> str:
    known = error.schema.get("properties", {})
    unknown = sorted(str(name)[:MAX_SHOWN] for name in error.instance if name not in known)
    return f"has no field {', '.join(unknown[:5])}; known are {', '.join(sorted(known))}"


def _at_least(limit: int) -> str:
    return "must not be empty" if limit == 1 else f"must have at least {limit} entries"


A_TIME = "must be a time with its zone, for instance 2025-06-12T14:30:00Z"
_FORMATS = {"date-time": A_TIME}
_SAYINGS: dict[str, Callable[[Any], str]] = {
    "required": lambda _: "is missing",
    "enum": lambda values: f"must be one of {', '.join(map(str, values))}",
    "type": lambda name: f"must be of type {name}",
    "minLength": _at_least,
    "minItems": _at_least,
    "minProperties": _at_least,
    "maxLength": lambda limit: f"must have at most {limit} characters",
    "maxItems": lambda limit: f"must have at most {limit} entries",
    "maxProperties": lambda limit: f"must have at most {limit} entries",
    "minimum": lambda limit: f"must be at least {limit}",
    "maximum": lambda limit: f"must be at most {limit}",
    "pattern": lambda _: "holds characters that are not allowed here, such as control characters",
    "format": lambda name: _FORMATS.get(name, f"must be a {name}"),
}
