"""`POST /callbacks/{token}`: the listener that TES servers call."""

from typing import Any

from flask import Response

from callback_service.domain.errors import InvalidInput
from callback_service.domain.states import State
from callback_service.entrypoints.api.services import services
from callback_service.relay.receive import Callback


def receive_callback(token: str, body: dict[str, Any]) -> Response:
    services().receiver.receive(Callback(token, body["id"], _read_state(body["state"])))
    return Response(status=204)


def _read_state(text: str) -> State:
    """The contract may come to name a state before the domain knows what it means."""
    try:
        return State(text)
    except ValueError:
        raise InvalidInput("state", f"must be one of {', '.join(State)}") from None
