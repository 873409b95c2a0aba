"""`callback-service serve`: the API under gunicorn."""

import os
import sys
from typing import Annotated

import typer


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8080,
    workers: Annotated[
        int | None, typer.Option(help="Processes; by default one for each core.", min=1)
    ] = None,
) -> None:
    """Serve the API: callbacks, registration, Swagger UI.

    Needs MongoDB (MONGO_URI) and a Celery broker (CELERY_BROKER_URL); both may come later.

    Example: callback-service serve --port 8080
    """
    # A process of its own: gevent must patch before anything is imported.
    arguments = [host, str(port), str(workers or os.cpu_count() or 1)]
    os.execv(sys.executable, [sys.executable, "-P", "-m", "callback_service.serve", *arguments])  # noqa: S606
