"""`/v1/servers`: who may use them is everybody's to know, and an admin's to say."""

from typing import Any

from flask import Response

from callback_service.domain.server import Server
from callback_service.entrypoints.access import Role, needs
from callback_service.entrypoints.api.own_url import own_url
from callback_service.entrypoints.api.read import read_server
from callback_service.entrypoints.api.services import services
from callback_service.entrypoints.api.shown import shown_server

Json = dict[str, Any]


@needs(Role.READ)
def list_servers() -> Json:
    return {"servers": [_shown(server) for server in services().servers.list()]}


@needs(Role.ADMIN)
def register_server(body: Json) -> tuple[Json, int, dict[str, str]]:
    server = services().servers.register(body["name"], **read_server(body))
    return _shown(server), 201, {"Location": f"/v1/servers/{server.key}"}


@needs(Role.READ)
def get_server(server: str) -> Json:
    return _shown(services().servers.find(server))


@needs(Role.ADMIN)
def change_server(server: str, body: Json) -> Json:
    return _shown(services().servers.change(server, **read_server(body)))


@needs(Role.ADMIN)
def delete_server(server: str) -> Response:
    services().servers.remove(server)
    return Response(status=204)


def _shown(server: Server) -> Json:
    return shown_server(server, own_url())
