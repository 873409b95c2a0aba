"""What is drawn fits into the window, whatever its size and whatever tasks are called."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from callback_service.entrypoints.cli.watch.table import Scene, drawn, duration
from tests.cli.test_watch_progress import START, life, told, update


def run_of(progress, more=0, **fields):
    tasks = {"UNKNOWN": more, "COMPLETE": progress.heard}
    return {"id": "r0", "name": "align", "status": "active", "owed": 0, "tasks": tasks, **fields}


def lines_of(scene, **options):
    file = io.StringIO()
    console = Console(file=file, width=scene.width, markup=False, **options)
    console.print(drawn(scene))
    return file.getvalue().splitlines()


def many(count, name="job-{}"):
    return told(
        *(
            one
            for n in range(count)
            for one in life(
                name.format(n), n / 10, 1, 2, end="COMPLETE" if n % 7 else "EXECUTOR_ERROR"
            )
        )
    )


def scene(progress, width=80, height=24, **fields):
    return Scene(progress, run_of(progress, **fields), START + 600, width, height)


def test_few_tasks_are_shown_one_by_one():
    progress = told(*life("job-1", 0, 1, 2), update("job-2", 1, "RUNNING", 1))
    shown = "\n".join(lines_of(scene(progress)))
    assert "job-1" in shown
    assert "1 of 2 have ended" in shown
    assert "LAST CHANGES" not in shown


def test_of_many_the_failed_ones_and_the_last_changes_are_shown():
    progress = many(5000)
    shown = "\n".join(lines_of(scene(progress)))
    assert "5,000 of 5,000 have ended" in shown
    assert "FAILED: 715, the last" in shown
    assert "LAST CHANGES" in shown
    assert "job-4999" in shown


@pytest.mark.parametrize("count", [0, 5, 13, 300])
@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("height", [16, 50])
def test_it_fits_into_the_window(count, width, height):
    lines = lines_of(scene(many(count), width, height, more=3, last_error="the receiver is away"))
    assert max(map(len, lines)) <= width
    assert len(lines) <= height
    assert any("estimated end" in line for line in lines)


def test_a_name_that_would_steer_the_terminal_does_not():
    progress = told(update("job\x1b[2J\x07\u202e-1", 1, "RUNNING", 0))
    shown = "\n".join(
        lines_of(scene(progress, name="run\x1b]0;title\x07", last_error="no\r\x9b1A"))
    )
    assert all(char.isprintable() or char == "\n" for char in shown)


@pytest.mark.parametrize("width", [40, 80])
def test_the_status_is_seen_beside_a_long_name(width):
    first, *_ = lines_of(scene(many(3), width, name="n" * 512))
    assert first.endswith("n…  active")
    assert len(first) <= width


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=512),
    st.integers(10, 120),
    st.integers(5, 40),
)
def test_whatever_a_task_is_called_lines_are_no_longer_than_the_window(task, width, height):
    drawing = scene(told(update(task, 1, "RUNNING", 0)), width, height)
    console = Console(file=io.StringIO(), width=width, markup=False)
    for line in console.render_lines(drawn(drawing), pad=False):
        assert sum(piece.cell_length for piece in line) <= width
        assert all(piece.text.replace("\n", "").isprintable() for piece in line)


def test_no_colour_is_none(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = "\n".join(lines_of(scene(many(30)), force_terminal=True, color_system="truecolor"))
    assert "\x1b[3" not in coloured
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[3" in "\n".join(
        lines_of(scene(many(30)), force_terminal=True, color_system="truecolor")
    )


def test_while_the_service_is_away_nothing_is_estimated():
    progress = told(*life("a", 595, 1, 2), *life("b", 595, 1, 2), update("c", 1, "RUNNING", 0))
    run = run_of(progress)
    there = Scene(progress, run, START + 600, 80, 24)
    away = Scene(progress, run, START + 600, 80, 24, "12:00:00  Nothing answers.", is_away=True)
    assert "estimated end  about" in "\n".join(lines_of(there))
    assert "estimated end  —" in "\n".join(lines_of(away))
    assert "12:00:00  Nothing answers." in lines_of(away)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (7200, "2 h"),
        (7505, "2 h 5 min"),
        (3 * 86_400 + 4 * 3600 + 5, "3 d 4 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds, words):
    assert duration(seconds) == words
