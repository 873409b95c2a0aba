import pytest

from callback_service.entrypoints.api.preferences import preferred_wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        (["wait=10"], 10),
        (["Wait = 10"], 10),
        (['wait="10"'], 10),
        (["wait=0"], 0),
        (["wait=61"], 60),
        (["wait=999999999"], 60),
        (["wait=9999999999"], 60),
        (["wait=1000000000"], 60),
        (["wait=" + "9" * 5_000], 60),
        (["wait=0000000000000007"], 7),
        (["wait=" + "0" * 5_000], 0),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10"], 10),
        (["wait=10; foo=bar, handling=lenient"], 10),
        (["wait=10, wait=20"], 10),
        (['note="a, wait=10"'], None),
        (["wait"], None),
        (["wait="], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=1e9"], None),
        (["wait=\u0663"], None),
        (["await=10"], None),
        (["\x00,,;="], None),
    ],
)
def test_a_wait_is_read_out_of_whatever_is_preferred(headers, seconds):
    assert preferred_wait(headers) == seconds
