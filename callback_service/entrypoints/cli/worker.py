"""`callback-service worker`: deliveries."""

from typing import Annotated

import typer


def worker(
    concurrency: Annotated[
        int | None,
        typer.Option(help="Threads that take doorbells; by default custom.broker.concurrency."),
    ] = None,
) -> None:
    """Deliver to runs what they are owed. Start as many as you like.

    Example: callback-service worker
    """
    from callback_service import wiring
    from callback_service.worker import run_worker

    run_worker(wiring.load(), concurrency)
