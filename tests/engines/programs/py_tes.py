"""The py-tes that is installed beside it, told what to do line by line.

A line holds the arguments of an `HTTPClient` and one of its methods with what that is given, as
`[{"url": …}, "get_task", "task-1", "FULL"]`. What it returns is a line `{"returned": …}`, what it
raises `{"raised": "UnmarshalError", "text": …}`. Nothing of py-tes is changed.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import tes
from tes.utils import unmarshal


class Told:
    """What is no method of the client as it stands: tasks come and go as JSON."""

    def __init__(self, client):
        self._client = client

    def create_task(self, task):
        return self._client.create_task(unmarshal(task, tes.Task))

    def wait_for_all(self, task_ids, timeout):
        """Each as an engine waits for it: in a thread of its own."""
        with ThreadPoolExecutor(len(task_ids)) as pool:
            return list(pool.map(lambda one: self._client.wait(one, timeout), task_ids))


def do(how, name, *arguments):
    try:
        # It keeps nothing, connections neither: one for each call is as good as one for all.
        client = tes.HTTPClient(**how)
        method = getattr(Told(client), name, None) or getattr(client, name)
        return {"returned": method(*arguments)}
    except Exception as error:  # noqa: BLE001  whatever it is, the test judges it
        return {"raised": type(error).__name__, "text": str(error)}


def as_json(value):
    return value.as_dict() if hasattr(value, "as_dict") else str(value)


for line in sys.stdin:
    print(json.dumps(do(*json.loads(line)), default=as_json), flush=True)  # noqa: T201
