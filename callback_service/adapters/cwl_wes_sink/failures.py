"""Plain words for what kept a run document from being written."""

from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
)

from callback_service.adapters.cwl_wes_sink.telling import Contended

# `Unauthorized` and `AuthenticationFailed`.
_REFUSED_CODES = frozenset({13, 18})


def describe(failure: Exception, target: str) -> str:
    """In one phrase, for owners of runs: without addresses, which are the operator's business."""
    return f"the database of cwl-WES {target} {_what(failure)}"


def _what(failure: Exception) -> str:
    if isinstance(failure, OperationFailure) and failure.code in _REFUSED_CODES:
        return "does not let this service in"
    if isinstance(failure, TimeoutError) or (isinstance(failure, PyMongoError) and failure.timeout):
        return "did not answer in time"
    if isinstance(failure, ConfigurationError):
        return "cannot be used: its version is too old, or its URI asks for what it has not"
    if isinstance(failure, ConnectionFailure):
        return "cannot be reached"
    if isinstance(failure, Contended):
        return "changed the run all the time"
    return f"failed ({type(failure).__name__})"
