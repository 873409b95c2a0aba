"""The API as a WSGI application: FOCA's Connexion app, with the listener generated into it."""

import json
from pathlib import Path
from typing import Any

import yaml
from connexion.apis.flask_api import FlaskApi
from connexion.jsonifier import Jsonifier
from flask import Flask, redirect
from foca.models.config import ConnexionOptions, SpecConfig
from werkzeug.wrappers import Response

from callback_service import __version__, wiring
from callback_service.entrypoints.access import ApiToken, Gatekeeper, Role
from callback_service.entrypoints.api import problems
from callback_service.entrypoints.api.validation import (
    NO_VALIDATORS,
    VALIDATORS,
    QueryParser,
    RawRequest,
    UnreadQuery,
)
from callback_service.entrypoints.crowd import Crowd
from callback_service.entrypoints.documents import name_the_server, show_the_security
from callback_service.entrypoints.gateway_paths import API, GatewayPaths
from callback_service.entrypoints.listener import listener_paths
from callback_service.wiring import Configured

# A fifth of the time, and every process of the API waits for it.
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def build_app(configured: Configured) -> Flask:
    """Connects to nothing yet. Raises `ConfigError` where the settings do not fit together."""
    foca, settings = configured.foca, configured.settings
    service_spec, tes_spec = foca.conf.api.specs
    add_listener(service_spec, tes_spec)
    service_spec.disable_auth |= not settings.access.auth
    service_spec.connexion = _validated(service_spec.connexion or ConnexionOptions())
    tes_spec.connexion = _unjudged(tes_spec.connexion or ConnexionOptions())
    app: Flask = foca.create_app().app
    app.request_class = RawRequest
    # FOCA's check knows one limit for all requests; ours is the request's own.
    app.extensions["longest_body"] = app.config["MAX_CONTENT_LENGTH"]
    app.config["MAX_CONTENT_LENGTH"] = None
    # Task ids may hold two slashes in a row, and are not another task's then.
    app.url_map.merge_slashes = False
    celery = wiring.celery_of(app, settings)
    intake = wiring.Intake(wiring.stores(app, settings), celery, settings)
    app.extensions["callback_service"] = intake
    app.extensions["gatekeeper"] = _gatekeeper(configured)
    app.extensions["service_info"] = _service_info(configured)
    app.extensions["public_url"] = settings.public_url
    # Connexion indents what it answers; nobody reads a thousand tasks that way.
    FlaskApi.jsonifier = Jsonifier(json)
    problems.register(app)
    name_the_server(app, "/openapi.json")
    if settings.access.auth:
        show_the_security(app, f"{API}/openapi.json", _read(tes_spec))
    app.add_url_rule("/", "home", _to_swagger_ui)
    # As Flask has it: the application around it is none.
    paths = GatewayPaths(app.wsgi_app, settings.gateway.max_request)
    app.wsgi_app = Crowd(paths, settings.callbacks.at_once)  # type: ignore[method-assign]
    return app


def add_listener(service: SpecConfig, tes: SpecConfig) -> None:
    """Put the operation that the TES specification's callback describes into our document."""
    document = _read(service)
    paths = {**listener_paths(_read(tes)), **document["paths"]}
    service.append = [*(service.append or ()), {"paths": paths}]


def _validated(options: ConnexionOptions) -> ConnexionOptions:
    """Our validators in the places of Connexion's."""
    more = {"uri_parser_class": QueryParser} if options.strict_validation else {}
    return options.model_copy(
        update={"validator_map": VALIDATORS, "options": {**(options.options or {}), **more}}
    )


def _unjudged(options: ConnexionOptions) -> ConnexionOptions:
    """What is asked of TES servers is theirs to check."""
    more = {**(options.options or {}), "uri_parser_class": UnreadQuery}
    return options.model_copy(update={"validator_map": NO_VALIDATORS, "options": more})


def _read(spec: SpecConfig) -> dict[str, Any]:
    (path,) = spec.path if isinstance(spec.path, list) else [spec.path]
    text = Path(path).read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.load(text, _SafeLoader)  # noqa: S506  the safe one, in C
    return document


def _gatekeeper(configured: Configured) -> Gatekeeper:
    access = configured.settings.access
    tokens = [ApiToken(one.hash, one.owner, Role[one.role.upper()]) for one in access.tokens]
    has_issuers = bool(configured.foca.conf.security.auth.issuers)
    return Gatekeeper(
        tokens,
        accepts_jwt=has_issuers,
        jwt_admins=access.jwt_admins,
        is_open=not access.auth,
    )


def _service_info(configured: Configured) -> dict[str, Any]:
    section = configured.foca.conf.service_info
    return {**(section.service if section else {}), "version": __version__}


def _to_swagger_ui() -> Response:
    return redirect("/ui/")
