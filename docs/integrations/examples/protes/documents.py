"""The documents that proTES keeps of its tasks, and what its polling writes into them."""

import json

import tes
from flask import current_app

# proTES has no words for what TES 1.1 added.
WORDS = {"PREEMPTED": "SYSTEM_ERROR", "CANCELING": "RUNNING"}


def documents():
    return current_app.config.foca.db.dbs["taskStore"].collections["tasks"].client


def write_state(which, state):
    return documents().update_one(which, {"$set": {"task.state": WORDS.get(state, state)}})


def write_logs(which, host, task_id, user=None, password=None):
    """Once, when the task has ended: of logs and outputs nobody tells."""
    client = tes.HTTPClient(host, timeout=5, user=user, password=password)
    logs = json.loads(client.get_task(task_id).as_json()).get("logs") or []
    found = {
        f"task.logs.{number}.{part}": log.get(part) or []
        for number, log in enumerate(logs)
        for part in ("logs", "outputs")
    }
    if found:
        documents().update_one(which, {"$set": found})


def name_of(client, host):
    """What the service calls the server that stands in `tes.service_list` with this URL."""
    names = {url: one.name for one in client.servers() for url in (one.gateway_url, one.url)}
    return names[host.rstrip("/")]
