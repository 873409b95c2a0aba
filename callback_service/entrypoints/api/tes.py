"""The TES operations: declared by the contract, and there when the gateway is."""

from typing import Any

from flask import Response

from callback_service.entrypoints.api.problems import problem


def _not_yet(**_: Any) -> Response:
    return problem(501, "the TES gateway is not part of this release; ask the TES server itself")


GetServiceInfo = ListTasks = CreateTask = GetTask = CancelTask = _not_yet
