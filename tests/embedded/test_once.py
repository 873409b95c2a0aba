"""A command that `up` runs once: what it says when it goes wrong is what `up` says."""

import sys

import pytest

from callback_service.embedded.errors import CannotStart, GaveUp
from callback_service.embedded.once import run_once
from callback_service.embedded.stack import OneShot


@pytest.mark.parametrize(("code", "failure"), [(2, CannotStart), (1, GaveUp), (3, GaveUp)])
def test_what_was_told_wrong_can_be_changed_by_whoever_told_it(code, failure):
    says = f"import sys; print('noise\\nError: would be a loop', file=sys.stderr); sys.exit({code})"
    with pytest.raises(failure, match=r"registered: would be a loop$"):
        run_once(OneShot((sys.executable, "-c", says), {}))


def test_what_goes_well_says_nothing():
    run_once(OneShot((sys.executable, "-c", ""), {}))
