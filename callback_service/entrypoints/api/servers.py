"""`/v1/servers`: who may use them is everybody's to know, and an admin's to say."""

from typing import Any

from flask import Response

from callback_service.domain.polling import CallsBack
from callback_service.entrypoints.access import Role, needs
from callback_service.entrypoints.api.services import services
from callback_service.entrypoints.api.shown import shown_server

Json = dict[str, Any]


@needs(Role.READ)
def list_servers() -> Json:
    return {"servers": [shown_server(server) for server in services().servers.list()]}


@needs(Role.ADMIN)
def register_server(body: Json) -> tuple[Json, int, dict[str, str]]:
    server = services().servers.register(
        body["name"],
        body["url"],
        CallsBack(body.get("calls_back", CallsBack.UNKNOWN)),
        is_default=body.get("default", False),
    )
    return shown_server(server), 201, {"Location": f"/v1/servers/{server.key}"}


@needs(Role.READ)
def get_server(server: str) -> Json:
    return shown_server(services().servers.find(server))


@needs(Role.ADMIN)
def change_server(server: str, body: Json) -> Json:
    fields: Json = {}
    if "url" in body:
        fields["url"] = body["url"]
    if "calls_back" in body:
        fields["calls_back"] = CallsBack(body["calls_back"])
    if "default" in body:
        fields["is_default"] = body["default"]
    return shown_server(services().servers.change(server, **fields))


@needs(Role.ADMIN)
def delete_server(server: str) -> Response:
    services().servers.remove(server)
    return Response(status=204)
