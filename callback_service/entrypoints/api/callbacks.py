"""`POST /callbacks/{token}`: the listener that TES servers call."""

from typing import Any

from flask import Response

from callback_service.domain.states import State
from callback_service.entrypoints.api.services import services
from callback_service.relay.receive import Callback


def receive_callback(token: str, body: dict[str, Any]) -> Response:
    services().receiver.receive(Callback(token, body["id"], State(body["state"])))
    return Response(status=204)
