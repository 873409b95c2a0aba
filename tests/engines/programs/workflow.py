"""A small workflow engine on py-tes, as engines are: `workflow.py URL TASKS SCRIPT HOW`.

It submits so many tasks, each from a thread of its own, and waits for them in one of two ways: HOW
is `wait`, with py-tes' own method, or `look`, by asking again and again as cwl-tes does. It prints
each task's id when it is submitted and how they ended, and exits with 1 unless all are complete.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import tes

ENDED = {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"}


def look(client, task_id):
    while (state := client.get_task(task_id, "MINIMAL").state) not in ENDED:
        time.sleep(0.1)
    return state


def wait(client, task_id):
    return client.wait(task_id).state


def main(url, count, script, how):
    client = tes.HTTPClient(url, timeout=5)
    task = tes.Task(
        executors=[tes.Executor(image="alpine", command=["true"])], tags={"tes-sim": script}
    )

    def run(number):
        task_id = client.create_task(task)
        sys.stdout.write(f"{number} {task_id}\n")
        sys.stdout.flush()
        return {"look": look, "wait": wait}[how](client, task_id)

    with ThreadPoolExecutor(int(count)) as pool:
        states = list(pool.map(run, range(int(count))))
    print(*states)  # noqa: T201
    return states.count("COMPLETE") != int(count)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
