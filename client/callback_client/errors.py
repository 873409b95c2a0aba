"""What can go wrong between a program and the service."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence, Tuple


class FieldError(NamedTuple):
    """A field of the request that is at fault, nested names joined by dots, and why."""

    field: str
    reason: str


class CallbackServiceError(Exception):
    """The service did not do what it was asked.

    `status` is the HTTP status, and 0 where no answer came; `title`, `detail` and
    `errors` are those of its problem document (RFC 9457); `retry_after` is after
    how many seconds it is worth trying again, if the service said so.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int = 0,
        title: str = "",
        errors: Sequence[FieldError] = (),
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.title = title
        self.errors: Tuple[FieldError, ...] = tuple(errors)
        self.retry_after = retry_after

    def __str__(self) -> str:
        head = " ".join(word for word in (str(self.status or ""), self.title) if word)
        return ": ".join(part for part in (head, self.detail) if part)

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later: the service is down or too busy."""
        return self.status in (0, 408, 429) or self.status >= 500


class ServiceUnreachable(CallbackServiceError):
    """No answer of the service came: refused, timed out, broken off, or not the service's."""


class InvalidSignature(Exception):
    """A webhook that is not to be trusted; the message says why in plain words."""
