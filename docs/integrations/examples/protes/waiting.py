"""proTES waits at the service: a Celery task for each of its tasks, as before, that never asks."""

from callback_client import CallbackClient
from celery import shared_task

from .documents import name_of, write_logs, write_state


@shared_task(name="tasks.track_run_progress", ignore_result=True)
def task__track_task_progress(worker_id, remote_host, remote_task_id, user, password, **_rest):
    which = {"worker_id": worker_id}
    write_state(which, "INITIALIZING")
    with CallbackClient() as client:
        task = (name_of(client, remote_host), remote_task_id)
        run = client.register(worker_id, tasks=[task], expires_in=30 * 86400)
        for update in client.watch(run):  # waits, also for a service that is away
            write_state(which, update.state)
        client.delete(run.id)
    write_logs(which, remote_host, remote_task_id, user, password)
