"""Much work leaves others their turns, and is not made longer by them than it must."""

import subprocess
import sys

from callback_service.adapters.breath import HELD, Breath

# Others can get on only if gevent looks at the connections, which it does not after each switch.
BESIDE = """
from gevent import monkey

monkey.patch_all()

import socket
import threading

from callback_service.adapters.breath import HELD, Breath

ours, theirs = socket.socketpair()
answered = []


def answer():
    while ours.recv(1):
        answered.append(None)
        ours.send(b"x")


threading.Thread(target=answer, daemon=True).start()
now = 0.0
# Each time others have had their turn, there is something more for them.
breath = Breath(clock=lambda: now)
for _ in range(20):
    theirs.send(b"x")
    now += 2 * HELD
    breath()
    now += 2 * HELD
    breath()
print(len(answered))
"""


class Worked:
    def __init__(self) -> None:
        self.now = 100.0
        self.away: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.away.append(seconds)
        self.now += 5 * HELD


def breaths(seconds: float, pieces: int) -> int:
    worked = Worked()
    breath = Breath(worked.sleep, lambda: worked.now)
    for _ in range(pieces):
        worked.now += seconds / pieces
        breath()
    return len(worked.away)


def test_small_pieces_of_work_share_a_breath():
    assert breaths(100 * HELD, 10_000) in {98, 99, 100}


def test_after_each_large_piece_of_work_others_have_their_turn():
    assert breaths(100 * HELD, 10) == 10


def test_little_work_is_done_in_one_go():
    assert breaths(HELD / 2, 100) == 0


def test_in_a_breath_others_are_answered():
    said = subprocess.run([sys.executable, "-c", BESIDE], capture_output=True, check=True).stdout
    assert int(said) == 20
