"""The tasks of the simulated server, newest first at no cost."""

from collections.abc import Iterator

from callback_service.tes_sim.task import SimulatedTask


class Tasks:
    """Known by their number, which counts them in the order in which they were made."""

    def __init__(self) -> None:
        self._tasks: dict[int, SimulatedTask] = {}
        self._numbers: dict[str, int] = {}
        self.next_number = 0
        self.newest_id = ""

    def __len__(self) -> int:
        return len(self._tasks)

    def put(self, task: SimulatedTask) -> None:
        self._tasks[task.number] = task
        if task.number == self.next_number:
            self._numbers[task.id] = task.number
            self.next_number += 1
            self.newest_id = task.id

    def get(self, task_id: str) -> SimulatedTask | None:
        return self._tasks.get(self._numbers.get(task_id, -1))

    def remove(self, task: SimulatedTask) -> None:
        self._tasks.pop(self._numbers.pop(task.id, -1), None)

    def clear(self) -> None:
        """Numbers go on, for page tokens may still be around."""
        self._tasks.clear()
        self._numbers.clear()

    def newest_first(self, before: int | None = None) -> Iterator[SimulatedTask]:
        end = self.next_number if before is None else min(before, self.next_number)
        for number in reversed(range(end)):
            if task := self._tasks.get(number):
                yield task

    def by_id(self) -> Iterator[SimulatedTask]:
        for task_id in sorted(self._numbers):
            yield self._tasks[self._numbers[task_id]]
