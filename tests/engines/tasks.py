"""Tasks as engines submit them to a simulated server, and what engines do with them."""

import itertools

PROFILES = ["funnel", "strict", "tesk", "pr176"]
VIEWS = ["MINIMAL", "BASIC", "FULL"]
SHORT = "QUEUED 0.1, RUNNING 0.3, COMPLETE"
# Long enough for whoever looks every second to see all of it.
SLOW = "QUEUED 1.5, RUNNING 1.5, COMPLETE"
ENDLESS = "QUEUED 0.1, RUNNING"

_numbers = itertools.count(1)


def new_task(script=SHORT, tags=()):
    """No two are alike, as if each came from a run of its own."""
    return {
        "name": f"task {next(_numbers)}",
        "inputs": [{"path": "/in", "content": "text"}],
        "outputs": [{"path": "/out", "url": "file:///out"}],
        "resources": {"cpu_cores": 1, "ram_gb": 0.5},
        "executors": [{"image": "alpine", "command": ["cat", "/in"], "stdout": "/out"}],
        "tags": {"tes-sim": script, **dict(tags)},
    }


def run_a_task(client):
    """From its submission to its end; every answer has passed the models of the client."""
    submitted = new_task()
    task_id = client.create_task(submitted)
    assert client.wait(task_id, 20)["state"] == "COMPLETE"
    for view in VIEWS:
        read = client.get_task(task_id, view)
        assert (read["id"], read["state"]) == (task_id, "COMPLETE")
        assert task_id in [one["id"] for one in client.list_tasks(view)["tasks"]]
    assert submitted["tags"] == read["tags"]
    assert read["inputs"][0]["content"] == "text"
    assert "content" not in client.get_task(task_id, "BASIC")["inputs"][0]
    return task_id


def cancel_a_task(client):
    task_id = client.create_task(new_task(ENDLESS))
    client.cancel_task(task_id)
    assert client.wait(task_id, 20)["state"] in {"CANCELING", "CANCELED"}
