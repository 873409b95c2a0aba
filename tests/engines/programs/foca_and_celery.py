"""proTES as far as its tasks are concerned: a FOCA service and a Celery worker in one process.

    python foca_and_celery.py CONFIG VARIANT

`VARIANT` is the module of `docs/integrations/examples/protes` that is tried. Each line of its input
is what proTES hands its Celery task, as JSON.
"""

import importlib
import json
import sys
import threading

from celery.contrib.testing.worker import start_worker
from foca import Foca
from werkzeug.serving import make_server


def serve(config, variant):
    # Its Celery app is the current one from here on, as in `pro_tes.celery_worker`.
    celery = Foca(config_file=config).create_celery_app()
    tried = importlib.import_module(f"protes.{variant}")
    foca = Foca(config_file=config)
    app = foca.create_app().app
    server = make_server(foca.conf.server.host, foca.conf.server.port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with start_worker(celery, perform_ping_check=False, pool="threads", concurrency=8):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            tried.task__track_task_progress.apply_async(None, json.loads(line))


if __name__ == "__main__":
    serve(*sys.argv[1:])
