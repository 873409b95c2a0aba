"""JSON as RFC 8259 has it: what Python's parser takes besides is refused with the reason."""

import json
from typing import Any, NoReturn


class NotJson(ValueError):
    """Its text says what is wrong with the document."""


def loads(body: bytes) -> Any:
    """Raises `NotJson` also for NaN, lone surrogates and nesting that no parser should follow."""
    try:
        text = body.decode()
        data = json.loads(text, parse_constant=_refuse)
    except NotJson:
        raise
    except UnicodeDecodeError as error:
        raise NotJson(f"is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        reason = f"is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        raise NotJson(reason) from None
    except RecursionError:
        raise NotJson("is nested too deeply") from None
    except ValueError:  # more digits than Python converts
        raise NotJson("holds a number with too many digits") from None
    if "\\u" in text and not _encodes(data):
        raise NotJson("holds half of a surrogate pair, which no UTF-8 text can hold")
    return data


def _refuse(name: str) -> NoReturn:
    raise NotJson(f"is not valid JSON: {name} is no JSON value")


def _encodes(data: Any) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
