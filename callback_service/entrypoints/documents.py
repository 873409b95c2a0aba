"""The documents behind Swagger UI, as people need them where Connexion serves them otherwise."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, jsonify
from werkzeug.wrappers import Response

Json = dict[str, Any]


def name_the_server(app: Flask, path: str) -> None:
    """Connexion calls the root an empty string, and Swagger UI then shows an empty choice."""

    def named(document: Json) -> Json:
        # Behind a proxy it is the path that the proxy says.
        url = document["servers"][0]["url"] or "/"
        return {**document, "servers": [{"url": url, "description": "this service"}]}

    _rewrite(app, path, named)


def show_the_security(app: Flask, path: str, contract: Mapping[str, Any]) -> None:
    """What the gateway asks for itself is not Connexion's, which knows nothing of it then."""

    def shown(document: Json) -> Json:
        schemes = contract["components"]["securitySchemes"]
        document["components"]["securitySchemes"] = schemes
        for name, item in contract["paths"].items():
            for method, operation in item.items():
                if "security" in operation:
                    document["paths"][name][method]["security"] = operation["security"]
        return document

    _rewrite(app, path, shown)


def _rewrite(app: Flask, path: str, change: Callable[[Json], Json]) -> None:
    (endpoint,) = [rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == path]
    serve: Any = app.view_functions[endpoint]

    def rewritten() -> Response:
        return jsonify(change(app.make_response(serve()).get_json()))

    app.view_functions[endpoint] = rewritten
