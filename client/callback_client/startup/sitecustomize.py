"""What `callback-exec` has Python run before the program; only the program, not what it starts."""

import sys
import types
from pathlib import Path


def _begin() -> None:
    here = Path(__file__).resolve().parent
    source = here.parent / "inside.py"
    # By its path: the rest of the package is no business of programs that do not import py-tes.
    inside = types.ModuleType("callback_client_inside")
    inside.__file__ = str(source)
    code = compile(source.read_text("utf-8"), inside.__file__, "exec")
    exec(code, inside.__dict__)  # noqa: S102 - it is our own
    inside.begin(here)


if sys.version_info >= (3, 8):  # noqa: UP036 - the program's Python may be any
    _begin()
else:
    sys.stderr.write("callback-exec: the program runs on a Python before 3.8, and does without\n")
