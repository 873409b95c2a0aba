"""One `up` with stubs in the places that STUBS names: `python run_session.py NOTES STUBS OPTIONS`.

It is a process of its own because it shall be killed.
"""

import json
import os
import sys
from pathlib import Path

from callback_service.embedded.child import Patience
from callback_service.embedded.session import Session
from callback_service.embedded.stack import Options, Programs, Surroundings

STUB = Path(__file__).with_name("stub.py")


class Screen:
    def show(self, lines):
        sys.stdout.write("\n".join([*lines, ""]))
        sys.stdout.flush()

    def tell(self, line):
        sys.stderr.write(line + "\n")

    def fail(self, sentence):
        self.tell(f"Error: {sentence}")


def stub(name, notes):
    return (sys.executable, "-S", str(STUB), name, notes)


def database_stub(notes):
    """The real server is named by one word, so the stub has to be a script."""
    script = Path(notes).with_name("database.sh")
    script.write_text(f'#!/bin/sh\nexec {" ".join(stub("database", notes))} "$@"\n')
    script.chmod(0o700)
    return str(script)


def main(notes, stubs, wishes):
    options = Options(**{**wishes, "data": Path(wishes["data"])})
    database = database_stub(notes) if "database" in stubs else os.environ["UP_DATABASE"]
    programs = Programs(stub("api", notes), stub("worker", notes), stub("init", notes), database)
    patience = Patience(first_pause=0.05)
    surroundings = Surroundings(os.environ)
    sys.exit(Session(options, surroundings, Screen(), programs, patience, 20).run())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].split(","), json.loads(sys.argv[3]))
