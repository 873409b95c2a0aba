"""proTES is told how its tasks stand: one run of the service, whose sink is proTES."""

import os

import requests
from callback_client import CallbackClient, CallbackServiceError, InvalidSignature, verify
from celery import shared_task
from flask import request

from .documents import documents, name_of, write_logs, write_state

# The service or the server is away, or nobody has registered the server yet: that passes.
AGAIN = {
    "autoretry_for": (CallbackServiceError, LookupError, requests.RequestException),
    "retry_backoff": True,
    "max_retries": None,
    "acks_late": True,
    "ignore_result": True,
}


@shared_task(name="tasks.track_run_progress", **AGAIN)
def task__track_task_progress(worker_id, remote_host, remote_task_id, **_rest):
    """Has the service follow the task; proTES calls it as it called its own."""
    with CallbackClient() as client:
        own = {"server": name_of(client, remote_host), "id": remote_task_id}
        # Before anything can be told, and once: a repeat must not undo what was told meanwhile.
        documents().update_one(
            {"worker_id": worker_id, "callback": {"$exists": False}},
            {"$set": {"callback": own, "task.state": "INITIALIZING"}},
        )
        client.add_tasks(os.environ["CALLBACK_RUN_ID"], [(own["server"], own["id"])])


def PostUpdates(**_request):  # noqa: N802 - named as the controllers of proTES
    """`POST /updates`: what the service says, signed with the secret of the run."""
    try:
        told = verify(request.headers, request.get_data(), os.environ["CALLBACK_SECRET"])
    except InvalidSignature:
        return {"message": "Not signed by the callback service.", "code": "401"}, 401
    for update in told["updates"]:
        which = {"callback.server": update["server"], "callback.id": update["task_id"]}
        write_state(which, update["state"])
        if update["final"]:
            task__write_logs.delay(which)
    return "", 204


@shared_task(name="tasks.write_logs", **{**AGAIN, "max_retries": 10})
def task__write_logs(which):
    document = documents().find_one(which)
    if document:
        account = document.get("basic_auth", {})
        write_logs(
            which,
            document["tes_endpoint"]["host"],
            document["callback"]["id"],
            account.get("username"),
            account.get("password"),
        )
