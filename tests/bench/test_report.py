import pytest

from bench import report


def test_results_replace_those_before_them_and_nothing_else(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text(f"# Before\n{report.BEGINS}\nold\n{report.ENDS}\n# After\n")
    report.write(document, "new")
    assert document.read_text() == f"# Before\n{report.BEGINS}\n\nnew\n\n{report.ENDS}\n# After\n"


def test_a_document_without_the_marks_is_left_alone(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text("# Mine\n")
    with pytest.raises(SystemExit, match="has no section"):
        report.write(document, "new")
    assert document.read_text() == "# Mine\n"
