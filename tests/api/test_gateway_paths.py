"""Which address of the gateway is which operation of which server."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.tes import Variant
from callback_service.entrypoints.gateway_paths import (
    ADDRESS,
    LONGEST_BODY,
    Address,
    GatewayPaths,
    read_address,
)

GA4GH, V1, ROOT = Variant

BASES = {"/ga4gh/tes/v1": GA4GH, "/v1": V1, "": ROOT}
OPERATIONS = ["/tasks", "/tasks/a", "/tasks/a:cancel", "/service-info"]
# At the root, they belong to the service's own API.
OWN = {"/v1/service-info", "/v1/tasks/funnel/a", "/v1/tasks:states", "/v1/runs"}


@pytest.mark.parametrize(("base", "variant"), BASES.items())
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("server", [None, "funnel"])
def test_each_base_has_each_operation(base, variant, operation, server):
    path = (f"/gateway/{server}" if server else "") + base + operation
    expected = None if path in OWN else Address(operation, server, variant)
    assert read_address(path) == expected


@pytest.mark.parametrize("path", sorted(OWN))
def test_the_services_own_paths_are_left_alone(path):
    assert read_address(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/gateway",
        "/gateway/funnel",
        "/gateway/funnel/",
        "/gateway/funnel/tasks/",
        "/gateway/funnel/tasksx",
        "/gateway/funnel/v2/tasks",
        "/gateway/funnel/callbacks/x",
        "/gateway/funnel/ga4gh/tes/v1",
        "/gateway/funnel/ga4gh/tes/v1/ui/",
        "/ga4gh/tes/v1/ui/",
        "/ga4gh/tes/v1/openapi.json",
        "/callbacks/x",
        "//tasks",
    ],
)
def test_what_is_no_operation_of_tes_is_left_alone(path):
    assert read_address(path) is None


@pytest.mark.parametrize("server", [None, "funnel"])
def test_the_oldest_clients_ask_for_service_info_elsewhere(server):
    base = f"/gateway/{server}" if server else ""
    found = read_address(f"{base}/v1/tasks/service-info")
    assert found == Address("/service-info", server, V1, is_old_service_info=True)
    # There is a task of that name below the other bases, for all that we know.
    assert read_address(f"{base}/tasks/service-info").path == "/tasks/service-info"


@pytest.mark.parametrize(
    ("task_id", "quoted"),
    [
        ("a/b", "a%2Fb"),
        ("/", "%2F"),
        ("..", ".."),
        ("../../admin", "..%2F..%2Fadmin"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2e%2e", "%252e%252e"),
        ("a;b", "a%3Bb"),
        ("a b\n", "a%20b%0A"),
        ("t\xc3\xa4sk", "t%C3%A4sk"),
        ("\xff", "%FF"),
        ("job-1_2.3~4:5@6", "job-1_2.3~4:5@6"),
    ],
)
def test_an_id_stays_one_segment(task_id, quoted):
    """`task_id` is as WSGI has it: unquoted, each byte a character."""
    for base in ("/ga4gh/tes/v1", "/gateway/funnel/v1", "/gateway/funnel"):
        assert read_address(f"{base}/tasks/{task_id}").path == f"/tasks/{quoted}"


@given(st.text(st.characters(max_codepoint=255)))
def test_no_path_leads_anywhere_but_to_an_operation(rest):
    found = read_address(f"/gateway/funnel/tasks/{rest}")
    assert found is None or (found.path.isascii() and found.path.count("/") == 2)


def noted(method: str, path: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: object) -> list[bytes]:
        seen.update(environ)
        return []

    environ = {"REQUEST_METHOD": method, "PATH_INFO": path}
    GatewayPaths(app, 7)(environ, lambda *_: None)
    # The server's own is not changed.
    assert environ == {"REQUEST_METHOD": method, "PATH_INFO": path}
    return seen


def test_the_controllers_find_a_note_and_connexion_the_one_path():
    seen = noted("GET", "/gateway/funnel/v1/tasks/a")
    assert seen["PATH_INFO"] == "/ga4gh/tes/v1/tasks/a"
    assert seen[ADDRESS] == Address("/tasks/a", "funnel", V1)


def test_only_tasks_that_are_handed_in_may_be_long():
    assert noted("POST", "/tasks")[LONGEST_BODY] == 7
    for method, path in (("GET", "/tasks"), ("POST", "/tasks/a:cancel"), ("POST", "/v1/runs")):
        assert LONGEST_BODY not in noted(method, path)
