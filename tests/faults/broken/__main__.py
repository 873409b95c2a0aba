"""`python -m tests.faults.broken BUILD[+BUILD…] serve|worker|up …`."""

# ruff: noqa: PLC0415  gevent patches before anything else is imported, and only where it is wanted

import argparse
import sys

from tests.faults.broken.builds import BUILDS


def main(build: str, command: str, *arguments: str) -> None:
    {"serve": _serve, "worker": _work, "up": _up}[command](build, arguments)


def _apply(builds: str) -> None:
    for build in builds.split("+"):
        BUILDS[build]()


def _serve(build: str, arguments: tuple[str, ...]) -> None:
    from callback_service import serve

    parser = argparse.ArgumentParser()
    for name in ("--host", "--port", "--workers"):
        parser.add_argument(name, default="1")
    options = parser.parse_args(arguments)
    _apply(build)
    serve.main([options.host, options.port, options.workers])


def _work(build: str, _arguments: tuple[str, ...]) -> None:
    from callback_service import worker

    _apply(build)
    worker.main([])


def _up(build: str, arguments: tuple[str, ...]) -> None:
    """It is broken, and what it starts is, too."""
    from callback_service.embedded import stack
    from callback_service.entrypoints.cli import main as command_line

    _apply(build)
    ours = (sys.executable, "-m", "tests.faults.broken", build)
    stack.Programs.__init__.__defaults__ = (
        (*ours, "serve"),
        (*ours, "worker"),
        *stack.Programs.__init__.__defaults__[2:],
    )
    sys.argv = ["callback-service", "up", *arguments]
    command_line()


if __name__ == "__main__":
    main(*sys.argv[1:])
