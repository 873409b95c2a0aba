"""`callback-service serve`: the API under gunicorn."""

import os
import sys
from typing import Annotated

import typer

# Seconds that requests get to end at a stop; long polls end before it, streams at it.
GRACE = 5
# A cursor may be as long as common proxies let a URL be.
LONGEST_URL = 8190


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
    from callback_service import wiring

    wiring.check_access(wiring.load(), host)
    # gunicorn begins anew in this process: gevent must patch before anything is imported.
    arguments = [
        *("--worker-class", "gevent"),
        *("--workers", str(workers or os.cpu_count() or 1)),
        *("--bind", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"),
        *("--graceful-timeout", str(GRACE)),
        *("--limit-request-line", str(LONGEST_URL)),
        *("--log-level", "warning"),
        "callback_service.app:create_app()",
    ]
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *arguments])  # noqa: S606
