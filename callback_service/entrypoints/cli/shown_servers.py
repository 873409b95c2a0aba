"""TES servers as the command line shows them."""

from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.service_client import Json

HEADINGS = ("NAME", "TES SERVER", "ACCESS", "CALLS BACK", "STATE", "DEFAULT")

_FILTERS = {
    "untried": "",
    "honoured": "one short list tells of all open tasks",
    "ignored": "lists cannot be narrowed down by tag",
}


def print_answer(server: Json, as_json: bool) -> None:
    if as_json:
        output.print_json(server)
    else:
        print_server(server)


def print_server(server: Json) -> None:
    output.print_facts(
        {
            "name": server["name"],
            "TES server": server["url"],
            "gateway": server["gateway_url"],
            "access": server["access"],
            "credentials": server.get("credentials", "none"),
            "calls back": _calls_back(server),
            "default": "yes" if server["default"] else "no",
            "registered": output.ago(server["created_at"]),
            **_asking(server["polling"]),
        }
    )


def row_of(server: Json) -> tuple[str, ...]:
    return (
        server["name"],
        server["url"],
        server["access"],
        server["calls_back"],
        _state(server["polling"]),
        "yes" if server["default"] else "",
    )


def _calls_back(server: Json) -> str:
    if not server["calls_back_learnt"]:
        return f"{server['calls_back']} (set)"
    if server["calls_back"] == "unknown":
        return "unknown: that is found out as tasks move"
    return f"{server['calls_back']} (found out)"


def _state(polling: Json) -> str:
    if "error" in polling:
        return "error"
    return "ok" if "last_poll_at" in polling else "not asked"


def _asking(polling: Json) -> dict[str, str]:
    failures = polling["failures"]
    return {
        "state": _state(polling),
        "last asked": output.ago(polling.get("last_poll_at")),
        "requests": str(polling["requests"]),
        "lists": _FILTERS[polling["filters"]],
        "problem": polling.get("error", ""),
        "failures": f"{failures} in a row" if failures else "",
        "next try": _next_try(polling) if failures else "",
    }


def _next_try(polling: Json) -> str:
    """Once its time has come it is made at once, if there is something to ask."""
    said = output.ago(polling.get("next_poll_at"))
    return "when there is something to ask" if said.endswith("ago") else said
