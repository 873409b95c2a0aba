"""What the documents tell readers to type works, and answers what they say that it answers."""

import pytest

from tests.docs.markdown import REPOSITORY, examples
from tests.docs.shell import agrees

# Each with what runs beside its readers.
DOCUMENTS = {
    "README.md": "shell_with_a_tes_server",
    "docs/integrations/cromwell.md": "shell_with_a_tes_server",
    "docs/integrations/cwl-tes.md": "shell_with_cwl_tes",
    "docs/integrations/cwl-wes.md": "shell_with_cwl_wes",
    "docs/integrations/funnel.md": "shell",
    "docs/integrations/nextflow.md": "shell_with_a_tes_server",
    "docs/integrations/protes.md": "shell",
    "docs/integrations/py-tes.md": "shell_with_py_tes",
    "docs/integrations/snakemake.md": "shell_with_snakemake",
    "docs/integrations/tes-servers.md": "shell",
    "docs/integrations/tesk.md": "shell",
    "docs/integrations/toil.md": "shell_with_toil",
    "docs/integrations/wes.md": "shell",
    "docs/integrators.md": "shell",
    "docs/operators.md": "shell",
    "docs/troubleshooting.md": "shell",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("name", "beside"), DOCUMENTS.items(), ids=DOCUMENTS)
def test_a_document_tells_what_happens(name, beside, request):
    shell = request.getfixturevalue(beside)
    steps = examples(REPOSITORY / name)
    assert steps, f"{name} has no examples"
    answers = shell.run(steps)
    for step, said in zip(steps, map(shell.written, answers), strict=True):
        assert agrees(said, step.said), (
            f"{name}:{step.line}: {step.typed}\n-- answers\n{said}\n-- instead of\n{step.said}"
        )
