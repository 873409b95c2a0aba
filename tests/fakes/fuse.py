"""Failures at any call of a port: before it took effect, or after, when its answer is lost."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

Port = TypeVar("Port")


class Crashed(Exception):
    """The process is dead: it was killed at this call, and does nothing any more."""


@dataclass
class Fuse:
    """Burns at the call number `at` of the ports that it protects, counted from 0, or of that name.

    The process is dead then: that call and every further one raise `Crashed`. With `error`, that
    call raises it and the next ones go well: a store that was down for a moment. With
    `meanwhile`, none fails, but this happens there.
    """

    at: int | str | None = None
    after_effect: bool = False
    error: Exception | None = None
    meanwhile: Callable[[], object] | None = None
    calls: list[str] = field(default_factory=list)
    is_burnt: bool = False

    def protect(self, port: Port) -> Port:
        return cast("Port", _Protected(port, self))

    def check(self, name: str) -> bool:
        """Count a call that begins; say whether the fuse burns at its end."""
        self.calls.append(name)
        if self.is_burnt:
            if self.error or self.meanwhile:
                return False
            raise Crashed(name)
        if self.at not in {len(self.calls) - 1, name}:
            return False
        if not self.after_effect:
            self.burn(name)
        return self.after_effect

    def burn(self, name: str) -> None:
        self.is_burnt = True
        if not self.meanwhile:
            raise self.error or Crashed(name)
        self.meanwhile()


class _Protected:
    def __init__(self, port: object, fuse: Fuse) -> None:
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        if not callable(call):
            return call
        protect = _protected_coroutine if inspect.iscoroutinefunction(call) else _protected
        return protect(call, self._fuse)


def _protected(call: Callable[..., Any], fuse: Fuse) -> Callable[..., Any]:
    def protected(*args: Any, **kwargs: Any) -> Any:
        burns = fuse.check(call.__qualname__)
        answer = call(*args, **kwargs)
        if burns:
            fuse.burn(call.__qualname__)
        return answer

    return protected


def _protected_coroutine(
    call: Callable[..., Awaitable[Any]], fuse: Fuse
) -> Callable[..., Awaitable[Any]]:
    async def protected(*args: Any, **kwargs: Any) -> Any:
        burns = fuse.check(call.__qualname__)
        answer = await call(*args, **kwargs)
        if burns:
            fuse.burn(call.__qualname__)
        return answer

    return protected
