"""`callback-service listen`: a receiver for trying things out."""

from typing import TYPE_CHECKING, Annotated

import typer

from callback_service.embedded.ports import reachable, url_of
from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.service_client import Json

if TYPE_CHECKING:
    from rich.text import Text

    from callback_service.entrypoints.cli.receiver import Delivery, Receiver


def listen(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = 9000,
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 for all networks.")
    ] = "127.0.0.1",
    secret: Annotated[
        str | None,
        typer.Option(
            envvar="CALLBACK_SECRET", metavar="whsec_…", help="The run's, to check who signed."
        ),
    ] = None,
    status: Annotated[
        int, typer.Option(min=200, max=599, help="What to answer: 503 plays a bad receiver.")
    ] = 204,
    delay: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait before answering.")
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each delivery as a line of JSON.")
    ] = False,
) -> None:
    """Receive deliveries, check their signatures, and print what is in them.

    Ctrl-C ends it. With --json, each delivery is a line.

    Example: callback-service listen --port 9000 --secret whsec_…
    """
    import asyncio

    from callback_service.entrypoints.cli.receiver import Receiver

    receiver = Receiver(_print_json if as_json else Printer(), secret, status, delay)
    try:
        asyncio.run(_listen(receiver, host, port))
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)


async def _listen(receiver: "Receiver", host: str, port: int) -> None:
    import asyncio

    bound = await receiver.start(host, port)
    url = url_of(reachable(host), bound)
    # Not on stdout: that is for what arrives.
    typer.echo(f"Listening at {url}/ until Ctrl-C. To be told here:", err=True)
    typer.echo(f"  callback-service runs register --sink {url}/", err=True)
    try:
        await asyncio.Event().wait()
    finally:
        await receiver.stop()


def _print_json(delivery: "Delivery") -> None:
    answer: Json = {
        "at": delivery.at.isoformat(timespec="milliseconds"),
        "webhook_id": delivery.webhook_id,
        "signature": delivery.signature,
        "body": delivery.body,
    }
    if delivery.reason:
        answer["reason"] = delivery.reason
    output.print_json_line(answer)


_SIGNATURES = {
    "verified": ("signature verified", "green"),
    "missing": ("NOT SIGNED: anybody may have sent this", "bold red"),
    "wrong": ("WRONG SIGNATURE", "bold red"),
    "unchecked": ("signature not checked: give the run's secret by --secret", "yellow"),
}


class Printer:
    """A line for each delivery, and one for each update in it."""

    def __init__(self) -> None:
        self._console = output.new_console()

    def __call__(self, delivery: "Delivery") -> None:
        from rich.text import Text

        words, style = _SIGNATURES[delivery.signature]
        reason = f": {delivery.reason}" if delivery.reason else ""
        at = output.clock(delivery.at.isoformat())
        name = output.plain(delivery.webhook_id or "no webhook-id")
        self._print(Text.assemble((f"{at}  {name}  ", "dim"), (words + reason, style)))
        for update in delivery.updates:
            self._print(_line_of(update))
        if not delivery.updates:
            self._print(
                Text(f"  no updates in it: {output.plain(str(delivery.body))[:200]}", "dim")
            )

    def _print(self, line: "Text") -> None:
        self._console.print(line, soft_wrap=True)


def _line_of(update: Json) -> "Text":
    from rich.text import Text

    state = str(update.get("state", ""))
    move = (
        output.moved(str(update["previous"]), state)
        if "previous" in update
        else output.shown(state)
    )
    number = f"  (update {update['seq']})" if isinstance(update.get("seq"), int) else ""
    return Text.assemble(
        "  ", output.plain(str(update.get("task_id", "?"))), "  ", move, (number, "dim")
    )
