"""`callback-service worker`: deliveries."""

import os
import sys
from typing import Annotated

import typer


def worker(
    concurrency: Annotated[
        int | None,
        typer.Option(help="Threads that take doorbells.", min=1, max=256),
    ] = None,
) -> None:
    """Deliver to runs what they are owed. Start as many as you like.

    Example: callback-service worker
    """
    chosen = [] if concurrency is None else [str(concurrency)]
    os.execv(sys.executable, [sys.executable, "-P", "-m", "callback_service.worker", *chosen])  # noqa: S606
