"""Whoever is to mend a violated promise sees what each side knows of the task."""

from tests.faults.book import Book
from tests.faults.history import tell
from tests.faults.records import Attempt, Delivery, Move, Stored, Told

BOOK = Book(
    "run-1",
    "task-1",
    [
        Attempt("run-1", "task-1", "QUEUED", 101.0, 101.01, 204),
        Attempt("run-1", "task-1", "RUNNING", 102.0, 104.0, 0),
    ],
    Stored("task-1", ("run-1",), (Move(1, "QUEUED"), Move(2, "RUNNING")), {"run-1": 1}, ("run-1",)),
    [
        Delivery(
            101.1, "run-1", "msg-1", 503, True, (Told("task-1", 1, "QUEUED"), Told("b", 1, "X"))
        )
    ],
)


def test_a_task_is_told_of_from_every_side_in_the_order_of_time():
    assert tell(BOOK, began=100.0).splitlines() == [
        "Task task-1 of run run-1:",
        "     1.000 s  sender    POST QUEUED: 204 after 10 ms",
        "     1.100 s  receiver  msg-1: 1 QUEUED among 1 others; answered 503",
        "     2.000 s  sender    POST RUNNING: no answer after 2000 ms",
        "  at the end  database: 1 QUEUED (callback), 2 RUNNING (callback)",
        "  at the end  database: the run was told up to 1 and is owed more",
        "  wrong       1 QUEUED was not told",
        "  wrong       2 RUNNING was not told",
    ]


def test_a_task_that_is_not_stored_is_said_to_be_missing():
    text = tell(Book("run-1", "task-1", BOOK.attempts), began=0.0)
    assert "database: there is no such task" in text
    assert "QUEUED was acknowledged, and is not stored" in text
