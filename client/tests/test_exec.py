"""The launcher becomes the program: nobody can tell them apart, least of all what it starts."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

SHOW = """
import json, os, signal, subprocess, sys
shown = {
    "argv": sys.argv,
    "path": sys.path,
    "name": __name__,
    "environ": dict(os.environ),
    "executable": sys.executable,
    "handlers": [str(signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGTERM)],
}
if "--child" not in sys.argv:
    child = [sys.executable, __file__, "--child"]
    shown["child"] = json.loads(subprocess.run(child, stdout=subprocess.PIPE).stdout)
    sys.stderr.write("to the other\\n")
print(json.dumps(shown))
"""
# It says when it is ready for a signal, and when it got one.
SIGNALED = """
import signal, sys, time
def say(number, frame):
    print("handled", number, flush=True)
    sys.exit(7)
if "handle" in sys.argv:
    assert signal.signal(signal.SIGTERM, say) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == say
if "ignore" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
try:
    time.sleep(1 if "ignore" in sys.argv else 60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise
"""
# What it starts shall not end with it.
SHELTERED = """
import signal, subprocess, sys
def shelter():
    assert signal.signal(signal.SIGTERM, signal.SIG_IGN) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
code = "print('up', flush=True); input()"
child = [sys.executable, "-c", code]
pipe = subprocess.PIPE
with subprocess.Popen(child, stdin=pipe, stdout=pipe, preexec_fn=shelter) as process:
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(b"go on\\n")
print(process.returncode)
"""
LAUNCHER = [sys.executable, "-m", "callback_client.exec"]


@pytest.fixture
def program(tmp_path):
    """Makes executable scripts whose first line names this interpreter."""

    def make(text, name="program", flags=""):
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}{flags}\n{text}")
        path.chmod(0o755)
        return str(path)

    return make


def run(*command, **more):
    environ = {**os.environ, **more.pop("environ", {})}
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
        **more,
    )


def launched(*command, options=(), **more):
    return run(*LAUNCHER, *options, "--", *command, **more)


@pytest.mark.parametrize("before", [None, "/some/where", ""])
@pytest.mark.parametrize(
    "options", [(), ("--cancel-on-exit", "--run", "x", "--service", "http://x")]
)
def test_a_program_sees_what_it_sees_without(program, monkeypatch, before, options):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    # What the tests run with is not to be found again by the launcher only.
    environ = {} if before is None else {"PYTHONPATH": before}
    path = program(SHOW)
    alone = run(path, "a b", "--", "-x", environ=environ)
    with_it = launched(path, "a b", "--", "-x", options=options, environ=environ)
    assert json.loads(with_it.stdout) == json.loads(alone.stdout)
    assert with_it.stderr == alone.stderr == "to the other\n"
    assert with_it.returncode == alone.returncode == 0


@pytest.mark.parametrize(
    "text", ["import sys; sys.exit(3)", "raise ValueError('x')", "import os; os._exit(9)", "1 +"]
)
def test_a_program_ends_as_it_ends_without(program, text):
    path = program(text)
    alone, with_it = run(path), launched(path)
    assert with_it.returncode == alone.returncode != 0
    assert with_it.stderr == alone.stderr


def test_input_and_output_are_the_programs_own(program):
    path = program("import sys; print(sys.stdin.read().upper())")
    assert launched(path, input="words").stdout == "WORDS\n"


def test_a_program_that_is_no_python_is_ended_by_a_pipe_that_is_closed():
    """Python ignores SIGPIPE, and what it becomes would go on ignoring it."""
    shell = ["sh", "-c", "kill -PIPE $$; echo went on"]
    assert launched(*shell).returncode == run(*shell).returncode == -signal.SIGPIPE


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads whatever there is")
def test_a_program_that_may_not_be_read_is_run(tmp_path):
    path = tmp_path / "hidden"
    shutil.copy(shutil.which("true"), path)
    path.chmod(0o111)
    assert launched(path).returncode == 0
    assert launched("hidden", environ={"PATH": str(tmp_path)}).returncode == 0


def test_modules_and_scripts_that_say_nothing_are_started_by_the_first_python(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys; print(sys.argv[1:])")
    assert launched(script, "-m").stdout == "['-m']\n"
    assert launched("-m", "json.tool", input="[1]").stdout.split() == ["[", "1", "]"]
    assert launched(sys.executable, script, "x").stdout == "['x']\n"


def test_the_machines_own_sitecustomize_is_run_as_well(program, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.here = 1")
    path = program("import sitecustomize, sys; print(sitecustomize.__file__, sys.here)")
    alone = run(path, environ={"PYTHONPATH": str(tmp_path)})
    with_it = launched(path, environ={"PYTHONPATH": str(tmp_path)})
    assert with_it.stdout == alone.stdout
    assert with_it.stderr == alone.stderr == ""


def test_a_program_that_is_not_found_or_no_program_ends_as_in_a_shell(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("text")
    for command, status in (("no-such-program", 127), (plain, 126)):
        answer = launched(command)
        assert answer.returncode == status
        assert answer.stderr.startswith(f"callback-exec: {command}: not ")


@pytest.mark.parametrize("arguments", [[], ["--"], ["--service", "nowhere", "--", "true"]])
def test_a_command_line_that_means_nothing_is_refused(arguments):
    answer = run(*LAUNCHER, *arguments)
    assert answer.returncode == 2
    assert "usage: callback-exec" in answer.stderr


def test_it_is_said_where_python_is_told_to_look_at_no_environment(program):
    answer = launched(program("print('runs')", flags=" -sE"))
    assert answer.stdout == "runs\n"
    assert "ignore PYTHONPATH" in answer.stderr


def signaled(command, number):
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with process:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.05)
        process.send_signal(number)
        said = process.stdout.read().decode().split()
    return process.returncode, said


@pytest.mark.parametrize("options", [[], ["--cancel-on-exit"]])
@pytest.mark.parametrize(
    ("number", "how"),
    [
        (signal.SIGINT, "default"),
        (signal.SIGTERM, "default"),
        (signal.SIGTERM, "handle"),
        (signal.SIGTERM, "ignore"),
        (signal.SIGKILL, "default"),
    ],
)
def test_a_signal_does_what_it_does_without(program, options, number, how):
    path = program(SIGNALED)
    alone = signaled([path, how], number)
    assert signaled([*LAUNCHER, *options, "--", path, how], number) == alone


def test_what_a_program_lets_others_ignore_they_ignore(program):
    path = program(SHELTERED)
    assert launched(path, options=["--cancel-on-exit"]).stdout == run(path).stdout == "0\n"


def test_a_program_that_is_not_what_its_mend_knows_runs_as_it_is(program, tmp_path):
    module = "snakemake_executor_plugin_tes"
    (tmp_path / f"{module}.py").write_text("name = __spec__.name")
    path = program(f"import {module} as one; print(one.name, type(one.__loader__).__name__)")
    answer = launched(path, environ={"PYTHONPATH": str(tmp_path)})
    assert answer.stdout == f"{module} SourceFileLoader\n"
    assert answer.stderr.startswith(f"callback-exec: {module} stays as it is")
    assert answer.returncode == 0
