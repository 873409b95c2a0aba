"""The client of the TES callback service: register runs, and be told of their tasks' updates."""

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
from callback_client.version import VERSION

__version__ = VERSION

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
