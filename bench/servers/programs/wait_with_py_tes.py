"""Many threads that each create a sleeping task and `wait()` for it, as engines with py-tes do.

`python wait_with_py_tes.py URL TASKS SECONDS [RUN]`: runs in an environment of py-tes' own; the
variable TES_TOKEN may hold a token. Prints JSON: for each task its id, its state, and when
`wait()` returned (`time.time()`).
"""

import json
import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tes


def main(url: str, number: int, seconds: float, run: str = "") -> None:
    client = tes.HTTPClient(url, timeout=10, token=os.environ.get("TES_TOKEN"))
    chance = random.Random(1)

    def sleep_and_wait(length: float) -> dict[str, Any]:
        task = tes.Task(
            executors=[tes.Executor(image="alpine", command=["sleep", f"{length:.2f}"])],
            tags={"callback-service-run": run} if run else {},
        )
        task_id = client.create_task(task)
        state = client.wait(task_id, timeout=120).state
        return {"id": task_id, "state": state, "at": time.time()}

    lengths = [chance.uniform(0.5, 1.5) * seconds for _ in range(number)]
    with ThreadPoolExecutor(number) as threads:
        print(json.dumps(list(threads.map(sleep_and_wait, lengths))))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])
