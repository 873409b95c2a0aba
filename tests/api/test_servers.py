"""The registry of TES servers, and what the service says of itself."""

import pytest

from callback_service import __version__
from tests.api.service import Service

ADMIN = {"token": "admin"}


def names(service: Service) -> list[str]:
    return [one["name"] for one in service.ask("list_servers").json["servers"]]


def test_a_server_comes_changes_and_goes(service: Service) -> None:
    new = {"name": "one", "url": "http://127.0.0.1:8000/ga4gh/tes/"}
    answer = service.ask("register_server", new, **ADMIN)
    assert (answer.status_code, answer.headers["Location"]) == (201, "/v1/servers/one")
    assert answer.json["url"] == "http://127.0.0.1:8000/ga4gh/tes"
    assert service.ask("register_server", new, **ADMIN).status_code == 409
    changed = service.ask("change_server", {"calls_back": "no"}, server="one", **ADMIN).json
    assert (changed["calls_back"], changed["url"]) == ("no", answer.json["url"])
    assert service.ask("get_server", server="one").json == changed
    assert names(service) == ["one"]
    assert service.ask("delete_server", server="one", **ADMIN).status_code == 204
    assert service.ask("get_server", server="one").status_code == 404


def test_a_gateway_is_in_front_of_each(service: Service) -> None:
    """It is where the caller reached the service, unless the operator says otherwise."""
    new = {"name": "one", "url": "http://127.0.0.1:8000"}
    made = service.ask("register_server", new, **ADMIN).json
    assert made["gateway_url"] == "http://localhost/gateway/one"
    headers = {"Host": "callbacks.example.org"}
    seen = service.ask("get_server", server="one", headers=headers).json
    assert seen["gateway_url"] == "http://callbacks.example.org/gateway/one"
    service.app.extensions["public_url"] = "https://tes.example.org/callbacks/"
    try:
        (seen,) = service.ask("list_servers").json["servers"]
    finally:
        service.app.extensions["public_url"] = None
    assert seen["gateway_url"] == "https://tes.example.org/callbacks/gateway/one"
    service.ask("delete_server", server="one", **ADMIN)


def test_who_may_use_it_and_with_what_it_is_reached(service: Service) -> None:
    new = {"name": "one", "url": "http://127.0.0.1:8000"}
    made = service.ask("register_server", new, **ADMIN).json
    assert made["access"] == "token"
    assert "credentials" not in made
    named = {"access": "pass", "credentials": "hpc"}
    changed = service.ask("change_server", named, server="one", **ADMIN).json
    assert changed.items() >= named.items()
    kept = service.ask("change_server", {"default": True}, server="one", **ADMIN).json
    assert kept.items() >= named.items()
    nothing = {"credentials": None}
    assert "credentials" not in service.ask("change_server", nothing, server="one", **ADMIN).json
    service.ask("delete_server", server="one", **ADMIN)
    both = service.ask("register_server", new | named, **ADMIN).json
    assert both.items() >= named.items()
    service.ask("delete_server", server="one", **ADMIN)


def test_one_sees_whether_calling_back_was_set_or_is_learnt(service: Service) -> None:
    new = {"name": "one", "url": "http://127.0.0.1:8000"}
    made = service.ask("register_server", new, **ADMIN).json
    assert (made["calls_back"], made["calls_back_learnt"]) == ("unknown", True)
    for said, is_learnt in (("yes", False), ("no", False), ("unknown", True)):
        changed = service.ask("change_server", {"calls_back": said}, server="one", **ADMIN).json
        assert (changed["calls_back"], changed["calls_back_learnt"]) == (said, is_learnt)
    service.ask("delete_server", server="one", **ADMIN)


def test_a_server_that_is_new_was_asked_nothing(service: Service) -> None:
    new = {"name": "one", "url": "http://127.0.0.1:8000"}
    made = service.ask("register_server", new, **ADMIN).json
    assert made["polling"] == {"requests": 0, "failures": 0, "filters": "untried"}
    service.ask("delete_server", server="one", **ADMIN)


def test_a_run_is_on_the_server_that_is_meant(service: Service) -> None:
    """None is registered, one is, two are, one of them is marked."""
    assert service.register()["server"] == "default"
    for name in ("b", "a"):
        service.ask("register_server", {"name": name, "url": "http://127.0.0.1:8000"}, **ADMIN)
        if name == "b":
            assert service.register()["server"] == "b"
    refused = service.ask("register_run", {})
    assert refused.json["errors"] == [{"field": "server", "reason": "must be one of a, b"}]
    service.ask("change_server", {"default": True}, server="a", **ADMIN)
    assert service.register()["server"] == "a"
    service.ask("change_server", {"default": True}, server="b", **ADMIN)
    assert service.register()["server"] == "b"
    assert service.register({"server": "a"})["server"] == "a"
    for name in ("a", "b"):
        service.ask("delete_server", server=name, **ADMIN)


def test_anybody_may_ask_what_and_how_the_service_is(service: Service) -> None:
    assert service.ask("get_service_info", token=None).json["version"] == __version__
    assert service.ask("healthz", token=None).json == {"status": "ok"}
    checks = {"database": "ok", "schema": "ok", "broker": "ok"}
    assert service.ask("readyz", token=None).json == {"status": "ready", "checks": checks}


@pytest.mark.parametrize("path", ["/openapi.json", "/ga4gh/tes/v1/openapi.json"])
def test_the_contract_is_served(service: Service, path: str) -> None:
    document = service.call("GET", path, token=None).json
    assert document["openapi"].startswith("3.0")
    assert document["servers"][0]["url"], "Swagger UI offers it as a choice"
