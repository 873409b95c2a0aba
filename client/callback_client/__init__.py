"""The client of the TES callback service: register runs, and be told of their tasks' updates.

What is here is imported when it is first asked for: the launcher stands before the start of each
program, and needs neither `requests` nor what else takes its time.
"""

import importlib
from typing import TYPE_CHECKING, Any

from callback_client.version import VERSION

if TYPE_CHECKING:
    from callback_client.client import CallbackClient
    from callback_client.courier import Counts
    from callback_client.errors import CallbackServiceError, InvalidSignature, ServiceUnreachable
    from callback_client.sender import Sender
    from callback_client.signature import verify
    from callback_client.updates import Updates
    from callback_client.values import (
        FINAL_STATES,
        Capabilities,
        Delivery,
        Polling,
        Run,
        Server,
        Task,
        TaskState,
        Update,
    )

__version__ = VERSION

_HOMES = {
    "CallbackClient": "client",
    "CallbackServiceError": "errors",
    "Capabilities": "values",
    "Counts": "courier",
    "Delivery": "values",
    "FINAL_STATES": "values",
    "InvalidSignature": "errors",
    "Polling": "values",
    "Run": "values",
    "Sender": "sender",
    "Server": "values",
    "ServiceUnreachable": "errors",
    "Task": "values",
    "TaskState": "values",
    "Update": "values",
    "Updates": "updates",
    "verify": "signature",
}

__all__ = [
    "FINAL_STATES",
    "CallbackClient",
    "CallbackServiceError",
    "Capabilities",
    "Counts",
    "Delivery",
    "InvalidSignature",
    "Polling",
    "Run",
    "Sender",
    "Server",
    "ServiceUnreachable",
    "Task",
    "TaskState",
    "Update",
    "Updates",
    "__version__",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    # From now on it is found without this.
    globals()[name] = found
    return found
