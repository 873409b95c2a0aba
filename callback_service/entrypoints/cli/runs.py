"""`callback-service runs`: who is told of what, and how that goes."""

from datetime import datetime
from typing import Annotated

import typer

from callback_service.domain.run import RunStatus
from callback_service.domain.sink import Format
from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode
from callback_service.entrypoints.cli.output import AsJson
from callback_service.entrypoints.cli.service_client import (
    Json,
    ServiceClient,
    path_of,
    with_service,
)
from callback_service.entrypoints.cli.shown_runs import (
    print_answer,
    print_capabilities,
    print_registered,
    print_run,
    row_of_delivery,
    row_of_run,
    say_there_is_more,
)

app = typer.Typer(help="Register runs, and see and steer how they are told.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The id that the run was given.")]
Name = Annotated[str | None, typer.Option(help="What people call it.")]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="May be repeated.")
]
SinkUrl = Annotated[
    str | None,
    typer.Option("--sink", metavar="URL", help="Where updates are posted; else they are fetched."),
]
CwlWes = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--sink-cwl-wes",
        metavar="TARGET RUN",
        help="The run of cwl-WES that updates are written to, and the name of its database.",
    ),
]
Wes = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--sink-wes",
        metavar="URL RUN",
        help="The run of a WES server that takes status updates, and the base of its API.",
    ),
]
SinkFormat = Annotated[Format, typer.Option("--format", help="What is posted.")]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", metavar="NAME:VALUE", help="Posted along. May be repeated."),
]
ExpiresIn = Annotated[
    int | None, typer.Option(min=60, metavar="SECONDS", help="When it is forgotten.")
]
TaskIds = Annotated[
    list[str] | None, typer.Option("--task", metavar="ID", help="A task. May be repeated.")
]
TaskFile = Annotated[
    typer.FileText | None,
    typer.Option("--tasks-from", metavar="FILE", help="Tasks, one id a line; - for stdin."),
]
ServerName = Annotated[
    str | None, typer.Option("--server", metavar="NAME", help="The TES server of its tasks.")
]
Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]
PageToken = Annotated[
    str | None, typer.Option(metavar="TOKEN", help="Go on where an answer ended.")
]


@app.command()
@with_service
def register(
    service: ServiceClient,
    *,
    name: Name = None,
    tag: Tags = None,
    sink: SinkUrl = None,
    sink_format: SinkFormat = Format.BATCH,
    header: Headers = None,
    sink_cwl_wes: CwlWes = None,
    sink_wes: Wes = None,
    server: ServerName = None,
    task: TaskIds = None,
    tasks_from: TaskFile = None,
    expires_in: ExpiresIn = None,
    as_json: AsJson = False,
) -> None:
    """Register a run, and get its callback URL and secret.

    Example: callback-service runs register --name my-run --sink http://127.0.0.1:9000/
    """
    where = _sink(sink, sink_format, header, sink_cwl_wes, sink_wes)
    wish: Json = {"sink": where, **_changes(name, tag, expires_in)}
    if server:
        wish["server"] = server
    run = service.register_run(wish, _tasks(task, tasks_from, server))
    if as_json:
        output.print_json(run)
        return
    print_registered(run)


@app.command("list")
@with_service
def list_runs(
    service: ServiceClient,
    *,
    name_prefix: Annotated[str | None, typer.Option(help="Only names that begin so.")] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="KEY=VALUE",
            help="Only with this tag (KEY= for any value). May be repeated.",
        ),
    ] = None,
    status: Annotated[
        # `ending` is not shown to anyone.
        RunStatus | None, typer.Option(help="Only of this status.", metavar="active|paused|gone")
    ] = None,
    limit: Limit = 100,
    page_token: PageToken = None,
    as_json: AsJson = False,
) -> None:
    """List your runs, newest first.

    Example: callback-service runs list --status active --tag project=demo
    """
    tags = _pairs(tag, "=", "--tag")
    query = {
        "name_prefix": name_prefix,
        "tag_key": list(tags),
        "tag_value": list(tags.values()),
        "status": status,
    }
    found = service.pages(path_of("runs"), "runs", query, limit, page_token)
    if as_json:
        output.print_json(found)
        return
    headings = ("RUN", "STATUS", "CREATED", "NAME", "SINK", "PROBLEM")
    output.print_table(headings, [row_of_run(run) for run in found["runs"]])
    say_there_is_more(found, limit)


@app.command()
@with_service
def show(service: ServiceClient, run: RunId, as_json: AsJson = False) -> None:
    """Show a run: its tasks by state, what it is owed, what went wrong.

    Example: callback-service runs show r0123456789abcdef0123
    """
    found = service.get(path_of("runs", run))
    if as_json:
        output.print_json(found)
        return
    print_run(found)


@app.command()
@with_service
def watch(
    service: ServiceClient,
    run: RunId,
    *,
    stay: Annotated[
        bool, typer.Option("--stay", help="Go on until the run is deleted or expires.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Watch a run until all of its tasks have ended.

    The exit code is 0 if all are COMPLETE then, 1 if not, and 130 after Ctrl-C. What is no terminal
    gets a line for each update, with --json as the API writes it.

    Example: callback-service runs watch r0123456789abcdef0123
    """
    from callback_service.entrypoints.cli.watch import watch as watch_run

    watch_run(service, run, as_json=as_json, stay=stay)


@app.command()
@with_service
def tasks(
    service: ServiceClient,
    run: RunId,
    limit: Limit = 100,
    page_token: PageToken = None,
    as_json: AsJson = False,
) -> None:
    """List the tasks of a run and how each stands.

    Example: callback-service runs tasks r0123456789abcdef0123 --limit 20
    """
    found = service.pages(path_of("runs", run, "tasks"), "tasks", {}, limit, page_token)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (
            task["id"],
            task["state"],
            str(task["seq"]),
            output.ago(task.get("updated_at")),
            task["server"],
        )
        for task in found["tasks"]
    ]
    output.print_table(("TASK", "STATE", "UPDATES", "CHANGED", "SERVER"), rows)
    say_there_is_more(found, limit)


@app.command()
@with_service
def follow(
    service: ServiceClient,
    run: RunId,
    *,
    task: Annotated[
        list[str] | None, typer.Argument(metavar="TASK…", help="Ids of the TES server.")
    ] = None,
    tasks_from: TaskFile = None,
    server: ServerName = None,
    as_json: AsJson = False,
) -> None:
    """Let a run follow tasks that do not call back on its own URL.

    Example: callback-service runs follow r0123456789abcdef0123 job-1 job-2
    """
    wanted = _tasks(task, tasks_from, server)
    if not wanted:
        raise CommandFailed("Name at least one task.", ExitCode.WRONG_USE)
    states = service.follow(run, wanted)
    if as_json:
        output.print_json({"states": states})
        return
    rows = [(state["id"], state["state"], state["server"]) for state in states]
    output.print_table(("TASK", "STATE", "SERVER"), rows)


@app.command()
@with_service
def deliveries(
    service: ServiceClient,
    run: RunId,
    limit: Limit = 20,
    page_token: PageToken = None,
    as_json: AsJson = False,
) -> None:
    """List what was tried to tell a run, newest first.

    Example: callback-service runs deliveries r0123456789abcdef0123
    """
    found = service.pages(path_of("runs", run, "deliveries"), "deliveries", {}, limit, page_token)
    if as_json:
        output.print_json(found)
        return
    headings = ("AT", "VERDICT", "UPDATES", "TRY", "TOOK", "ANSWER")
    output.print_table(headings, [row_of_delivery(one) for one in found["deliveries"]])
    say_there_is_more(found, limit)


@app.command()
@with_service
def change(
    service: ServiceClient,
    run: RunId,
    *,
    name: Name = None,
    tag: Tags = None,
    sink: SinkUrl = None,
    sink_format: SinkFormat = Format.BATCH,
    header: Headers = None,
    sink_cwl_wes: CwlWes = None,
    sink_wes: Wes = None,
    no_sink: Annotated[bool, typer.Option("--no-sink", help="Updates are fetched.")] = False,
    expires_in: ExpiresIn = None,
    as_json: AsJson = False,
) -> None:
    """Change a run: what is named changes, tags and sink as a whole.

    Example: callback-service runs change r0123456789abcdef0123 --sink http://127.0.0.1:9001/
    """
    changes = _changes(name, tag, expires_in)
    if sink or sink_cwl_wes or sink_wes or no_sink:
        changes["sink"] = _sink(sink, sink_format, header, sink_cwl_wes, sink_wes)
    if not changes:
        raise CommandFailed("Name something to be changed.", ExitCode.WRONG_USE)
    print_answer(service.patch(path_of("runs", run), changes), as_json)


@app.command()
@with_service
def pause(service: ServiceClient, run: RunId, as_json: AsJson = False) -> None:
    """Stop telling a run; callbacks are taken meanwhile.

    Example: callback-service runs pause r0123456789abcdef0123
    """
    print_answer(service.post(path_of("runs", run, verb="pause")), as_json)


@app.command()
@with_service
def resume(service: ServiceClient, run: RunId, as_json: AsJson = False) -> None:
    """Tell a run again, at once, whatever it waited for.

    Example: callback-service runs resume r0123456789abcdef0123
    """
    print_answer(service.post(path_of("runs", run, verb="resume")), as_json)


@app.command()
@with_service
def redeliver(
    service: ServiceClient,
    run: RunId,
    since: Annotated[
        datetime | None, typer.Option(help="Only what came then or later, in your time zone.")
    ] = None,
    task: TaskIds = None,
    as_json: AsJson = False,
) -> None:
    """Tell a run once more what it was told already.

    Example: callback-service runs redeliver r0123456789abcdef0123 --since 2025-06-12T14:30
    """
    wish: Json = {}
    if since:
        wish["since"] = since.astimezone().isoformat()
    if task:
        wish["tasks"] = task
    print_answer(service.post(path_of("runs", run, verb="redeliver"), wish), as_json)
    if not as_json:
        typer.echo("It will be told again.", err=True)


@app.command()
@with_service
def rotate(
    service: ServiceClient,
    run: RunId,
    overlap: Annotated[
        int, typer.Option(min=0, metavar="SECONDS", help="How long the old ones stay good.")
    ] = 86_400,
    as_json: AsJson = False,
) -> None:
    """Replace the callback URL and the secret of a run.

    Example: callback-service runs rotate r0123456789abcdef0123 --overlap 3600
    """
    capabilities = service.post(path_of("runs", run, verb="rotate"), {"overlap": overlap})
    if as_json:
        output.print_json(capabilities)
        return
    print_capabilities(capabilities)


@app.command()
@with_service
def delete(service: ServiceClient, run: RunId, as_json: AsJson = False) -> None:
    """Delete a run; its tasks at the TES server go on.

    Example: callback-service runs delete r0123456789abcdef0123
    """
    service.delete(path_of("runs", run))
    if as_json:
        output.print_json({})
        return
    typer.echo(f"Deleted {output.plain(run)}.")


def _tasks(named: list[str] | None, file: typer.FileText | None, server: str | None) -> list[Json]:
    where = {"server": server} if server else {}
    lines = [line.strip() for line in file] if file else []
    return [{"id": one, **where} for one in (*(named or []), *filter(None, lines))]


def _changes(name: str | None, tag: list[str] | None, expires_in: int | None) -> Json:
    named = {
        "name": name,
        "tags": None if tag is None else _pairs(tag, "=", "--tag"),
        "expires_in": expires_in,
    }
    return {key: value for key, value in named.items() if value is not None}


def _sink(
    url: str | None,
    sink_format: Format,
    header: list[str] | None,
    cwl_wes: tuple[str, str] | None,
    wes: tuple[str, str] | None,
) -> Json:
    headers = _pairs(header, ":", "--header")
    if headers and not (url or wes):
        raise CommandFailed("--header is for a --sink or a --sink-wes.", ExitCode.WRONG_USE)
    if sum(map(bool, (url, cwl_wes, wes))) > 1:
        raise CommandFailed(
            "A run has one sink: --sink or --sink-cwl-wes or --sink-wes.", ExitCode.WRONG_USE
        )
    if cwl_wes:
        target, wes_run_id = cwl_wes
        return {"type": "cwl-wes", "target": target, "wes_run_id": wes_run_id}
    if not (url or wes):
        return {"type": "none"}
    own = {"headers": headers} if headers else {}
    if wes:
        base, wes_run_id = wes
        return {"type": "wes", "url": base, "wes_run_id": wes_run_id, **own}
    return {"type": "http", "url": url, "format": sink_format, **own}


def _pairs(texts: list[str] | None, divider: str, option: str) -> dict[str, str]:
    pairs = {}
    for text in texts or []:
        key, found, value = text.partition(divider)
        if not found:
            # The text may be a secret.
            raise CommandFailed(f"{option} needs a “{divider}” in it.", ExitCode.WRONG_USE)
        pairs[key.strip()] = value.strip()
    return pairs
