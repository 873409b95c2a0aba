"""In the program's own interpreter: puts the drop-in in the place of `tes.HTTPClient`.

Standard library only, and nothing else of this package until the program imports py-tes, or what
has a mend.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Set

# How the launcher tells what it was told, once: whatever the program starts is none of ours.
VARIABLE = "CALLBACK_EXEC"
PACKAGE = Path(__file__).resolve().parent
# What some programs need besides: a module of theirs, and the file in `mends` whose `mend(module)`
# is called when they have imported it.
MENDS = {"snakemake_executor_plugin_tes": "snakemake", "toil_batch_system_tes": "toil"}
# How long the end of a program may be put off for its tasks.
LONGEST_END = 20.0

log = logging.getLogger("callback_client")


def begin(startup: Path) -> None:
    """Before the program: leave no trace of how this came here, and wait for py-tes."""
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != startup]
    wishes = json.loads(os.environ.pop(VARIABLE, "{}"))
    _restore("PYTHONPATH", wishes.get("pythonpath"))
    # The machine's own `sitecustomize` was to run now, if there is one.
    ours = sys.modules.pop("sitecustomize")
    if importlib.util.find_spec("sitecustomize"):
        importlib.import_module("sitecustomize")
    else:
        # Python looks for what it is importing.
        sys.modules["sitecustomize"] = ours
    if wishes:
        place = Place(wishes["settings"])
        mends = {module: _mend(name) for module, name in MENDS.items()}
        sys.meta_path.insert(0, Imports({"tes.client": place.take, **mends}))
        if wishes["cancel_on_exit"]:
            Endings(place.cancel).watch()


def _restore(name: str, value: Optional[str]) -> None:
    os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value


class Imports(importlib.abc.MetaPathFinder):
    """Does something with modules when the program has imported them, and before it uses them."""

    def __init__(self, then: Mapping[str, Callable[[Any], None]]) -> None:
        self._then = then
        self._finding: Set[str] = set()

    def find_spec(
        self,
        fullname: str,
        path: Optional[Sequence[str]] = None,  # noqa: ARG002 - the finders behind it look there
        target: Any = None,  # noqa: ARG002
    ) -> Any:
        if fullname not in self._then or fullname in self._finding:
            return None
        # Whoever else is asked comes by here again.
        self._finding.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._finding.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Afterwards(spec.loader, self._do)
        return spec

    def _do(self, module: Any) -> None:
        try:
            _load_package()
            self._then[module.__name__](module)
        except Exception as error:  # noqa: BLE001 - the program runs as well without
            log.warning("callback-exec: %s stays as it is: %r", module.__name__, error)


class Place:
    """Where `tes.HTTPClient` is: taken by the drop-in."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._unfinished: Any = None

    def cancel(self) -> None:
        if self._unfinished is not None:
            self._unfinished.cancel()

    def take(self, client: Any) -> None:
        py_tes = importlib.import_module("callback_client.py_tes")
        unfinished = importlib.import_module("callback_client.unfinished")
        drop_in: Any = py_tes.HTTPClient
        drop_in.settings = py_tes.Settings(**self._settings)
        drop_in.unfinished = self._unfinished = unfinished.Unfinished()
        client.HTTPClient = drop_in


def _mend(name: str) -> Callable[[Any], None]:
    def mend(module: Any) -> None:
        importlib.import_module(f"callback_client.mends.{name}").mend(module)

    return mend


class _Afterwards(importlib.abc.Loader):
    """Loads a module as its own loader does, and then does something with it."""

    def __init__(self, loader: Any, do: Callable[[Any], None]) -> None:
        self._loader = loader
        self._do = do

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._do(module)


def _load_package() -> None:
    """This copy of the package, without anything else that is installed beside it."""
    if "callback_client" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "callback_client", PACKAGE / "__init__.py", submodule_search_locations=[str(PACKAGE)]
    )
    assert spec is not None  # noqa: S101 - it is a path to Python
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules["callback_client"] = module
    spec.loader.exec_module(module)


class Endings:
    """Sees Ctrl-C and SIGTERM before the program, whatever handlers that has or will have.

    The program is asked and answered by `signal.signal` and `signal.getsignal` as if
    nobody else listened.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._handlers: Dict[int, Any] = {}
        self._signal = signal.signal
        self._getsignal = signal.getsignal
        self._canceling: Optional[threading.Thread] = None

    def watch(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = self._getsignal(number)
            if handler is not signal.SIG_IGN:
                self._handlers[number] = handler
                self._signal(number, self._see)
        signal.signal = self._set
        signal.getsignal = self._get

    def _set(self, signalnum: int, handler: Any) -> Any:
        if signalnum not in self._handlers:
            return self._signal(signalnum, handler)
        # Also for what it refuses: not a handler, not in the main thread.
        self._signal(signalnum, handler)
        before, after = self._handlers[signalnum], self._getsignal(signalnum)
        if after is not signal.SIG_IGN:
            # To be ignored is handed down to programs that are started; other handlers are not.
            self._signal(signalnum, self._see)
        self._handlers[signalnum] = after
        return before

    def _get(self, signalnum: int) -> Any:
        known = signalnum in self._handlers
        return self._handlers[signalnum] if known else self._getsignal(signalnum)

    def _see(self, number: int, frame: Any) -> None:
        handler = self._handlers[number]
        is_first = self._canceling is None
        if is_first:
            # In a thread, which the interpreter waits for at its end: this one may hold any lock.
            self._canceling = threading.Thread(target=self._cancel)
            self._canceling.start()
        if callable(handler):
            handler(number, frame)
        else:
            if is_first and self._canceling:
                self._canceling.join(LONGEST_END)
            self._signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
