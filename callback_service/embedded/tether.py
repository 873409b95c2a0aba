"""Runs a command that dies with the process that started it, however that one ends.

    python tether.py PIPE COMMAND [ARGUMENT…]

PIPE is the reading end of a pipe whose other end only the starter holds. The command must lead a
process group. There are two ropes, because each can be cut: a watcher in the group waits for the
end of the pipe and kills the whole group, gunicorn's workers included; and Linux kills the command
itself with its parent, so that nothing is left where the watcher was killed as well.

It is run by its path, without the package around it and without `site`, so that it costs 20 ms.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def kill_group_at_end_of(pipe: int) -> None:
    # The group may be told to stop; whoever watches over its end is the last to go.
    for harmless in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(harmless, signal.SIG_IGN)
    os.closerange(0, 3)
    os.read(pipe, 1)
    os.killpg(0, signal.SIGKILL)


def main(pipe: int, command: list[str]) -> None:
    # A parent that dies before this line has closed the pipe: the watcher sees it.
    die_with_parent()
    if os.fork() == 0:
        kill_group_at_end_of(pipe)
    os.close(pipe)
    try:
        os.execvp(command[0], command)  # noqa: S606  no shell is wanted
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
