"""cwl-tes, and the workflow that it runs: a scatter of tasks that read and write files."""

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.engines.venv import engine_venv

WORKFLOW = Path(__file__).parent / "workflows" / "cwl" / "scatter.cwl"


def cwl_tes():
    """The program. It runs on Python 3.8 only, and this py-tes is the last that it works with."""
    return engine_venv("cwl-tes-0.3.0", "3.8", "cwl-tes==0.3.0", "py-tes==1.1.4") / "cwl-tes"


def command(url, folder, tasks, seconds):
    """A scatter of that many tasks, each of which takes that long."""
    job = write_job(folder, tasks, seconds)
    where = ["--tes", url, "--outdir", folder / "out"]
    return [cwl_tes(), *where, "--parallel", WORKFLOW, job]


def write_job(folder, tasks, seconds):
    text, job = folder / "text.txt", folder / "job.json"
    text.write_text("text of a file\n")
    inputs = {
        "seconds": str(seconds),
        "text": {"class": "File", "location": text.as_uri()},
        "numbers": list(range(1, tasks + 1)),
    }
    job.write_text(json.dumps(inputs))
    return job


def said(stdout):
    """What the tasks wrote, as cwl-tes names it at its end."""
    files = json.loads(stdout)["said"]
    return [Path(unquote(urlsplit(one["location"]).path)).read_text() for one in files]


def expected(tasks):
    return [f"text of a file\nnumber {number}\n" for number in range(1, tasks + 1)]
