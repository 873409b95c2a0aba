"""Runs as the command line shows them."""

import typer

from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.service_client import Json


def print_answer(run: Json, as_json: bool) -> None:
    if as_json:
        output.print_json(run)
    else:
        print_run(run)


def print_run(run: Json, **more: str) -> None:
    output.print_facts(
        {
            "run": run["id"],
            "name": run["name"],
            "status": run["status"],
            "server": run["server"],
            "tags": "  ".join(f"{key}={value}" for key, value in run["tags"].items()),
            "sink": _sink_line(run["sink"]),
            "created": output.ago(run["created_at"]),
            "expires": output.ago(run["expires_at"]),
            **_standing(run),
            **more,
        }
    )


def _standing(run: Json) -> dict[str, str]:
    """How it stands, as far as the answer says so."""
    states = run.get("tasks", {})
    owed, dead = run.get("owed", 0), run.get("dead_letters", 0)
    return {
        "tasks": "  ".join(f"{state} {count}" for state, count in states.items()),
        "last told": output.ago(run.get("last_delivery_at")),
        "owed": f"updates of {output.tasks(owed)}" if owed else "",
        "failures": f"{run['failures']} in a row" if run["failures"] else "",
        "next try": output.ago(run.get("next_attempt_at")),
        "given up": _given_up(run.get("failing")),
        "problem": run.get("last_error", ""),
        "lost to it": f"{dead} updates that it did not take" if dead else "",
    }


def _given_up(failing: Json | None) -> str:
    return f"{output.ago(failing['at'])} by {failing['by']}: {failing['reason']}" if failing else ""


def _sink_line(sink: Json) -> str:
    if sink["type"] == "cwl-wes":
        return f"cwl-WES run {sink['wes_run_id']} in {sink['target']}"
    if sink["type"] not in {"http", "wes"}:
        return "none: fetch the updates, or watch the run"
    names = sink.get("header_names")
    with_headers = f", with {', '.join(names)}" if names else ""
    if sink["type"] == "wes":
        return f"WES run {sink['wes_run_id']} at {sink['url']}{with_headers}"
    return f"{sink['url']} ({sink['format']}{with_headers})"


def _sink_cell(sink: Json) -> str:
    return str(sink.get("url", " ".join(filter(None, (sink["type"], sink.get("wes_run_id"))))))


def print_registered(run: Json) -> None:
    print_run(run, **_capabilities(run))
    _say_only_now()


def print_capabilities(found: Json) -> None:
    output.print_facts(_capabilities(found))
    _say_only_now()


def _capabilities(found: Json) -> dict[str, str]:
    return {"callback url": found["callback_url"], "secret": found["secret"]}


def _say_only_now() -> None:
    output.new_console(stderr=True).print(
        "These two are shown only now. Whoever knows the URL can report states of the run's tasks.",
        style="yellow",
    )


def row_of_run(run: Json) -> tuple[str, ...]:
    return (
        run["id"],
        run["status"],
        output.ago(run["created_at"]),
        run["name"],
        _sink_cell(run["sink"]),
        run.get("last_error", ""),
    )


def row_of_delivery(one: Json) -> tuple[str, ...]:
    status = str(one["status"]) if "status" in one else ""
    answer = " ".join(filter(None, (status, one.get("error"), one.get("answer"))))
    took = f"{one['latency_ms']:.0f} ms"
    return (
        output.clock(one["at"]),
        one["verdict"],
        str(one["updates"]),
        str(one["attempt"]),
        took,
        answer,
    )


def say_there_is_more(found: Json, limit: int) -> None:
    if "next_page_token" in found:
        typer.echo(f"There are more than these {limit}: see --limit.", err=True)
