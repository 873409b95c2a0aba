"""Log lines as operators read them: one wide line per step, ids as fields."""

import json
import logging
import time
from typing import Any


class WideFormatter(logging.Formatter):
    """`TIME LEVEL step key=value …`; values with spaces or control characters are quoted."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"
    converter = staticmethod(time.gmtime)

    def __init__(self, *_: Any, **__: Any) -> None:
        # Whatever format the configuration names: this class is one.
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        # What libraries log may hold what callers sent: a line stays a line.
        record.message = _one_line(record.message)
        fields = getattr(record, "fields", {})
        shown = [f"{name}={_value(value)}" for name, value in fields.items() if value is not None]
        return " ".join([super().formatMessage(record), *shown])


def _one_line(text: str) -> str:
    if text.isprintable():  # nearly all are, and each callback writes a line
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _value(value: object) -> str:
    text = str(value)
    is_plain = text.isprintable() and not {" ", '"', "="} & set(text) and text
    return text if is_plain else json.dumps(text)
