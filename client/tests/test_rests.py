"""A service that does not answer is asked by one request at a time, ever more seldom."""

from callback_client.rests import LONGEST, Rests


class FakeClock:
    def __init__(self):
        self.time = 100.0

    def now(self):
        return self.time


def test_all_may_ask_while_all_is_well():
    rests = Rests(FakeClock())
    numbers = [rests.begin() for _ in range(3)]
    assert None not in numbers
    assert [rests.succeed(number) for number in numbers] == [False] * 3
    assert not rests.is_away


def test_what_fails_together_counts_as_one():
    clock = FakeClock()
    rests = Rests(clock)
    numbers = [rests.begin() for _ in range(20)]
    assert [rests.fail(number) for number in numbers] == [True] + [False] * 19
    clock.time += 1
    assert rests.begin() is not None


def test_one_tries_for_all_others():
    clock = FakeClock()
    rests = Rests(clock)
    rests.fail(rests.begin())
    assert rests.begin() is None
    clock.time += LONGEST
    number = rests.begin()
    assert rests.begin() is None
    assert rests.succeed(number)
    assert rests.begin() is not None


def test_what_began_before_a_failure_says_nothing_after_it():
    rests = Rests(FakeClock())
    early = rests.begin()
    rests.fail(rests.begin())
    assert not rests.succeed(early)
    assert rests.is_away


def test_the_rests_grow_to_a_bound():
    clock = FakeClock()
    rests = Rests(clock)
    rests.fail(rests.begin())
    waited = []
    for _ in range(10):
        begun = clock.time
        while (number := rests.begin()) is None:
            clock.time += 0.25
        waited.append(clock.time - begun)
        rests.fail(number)
    assert waited[:3] == [0.5, 1.0, 2.0]
    assert waited[-1] == LONGEST


def test_a_service_that_says_how_long_is_left_alone_for_so_long():
    clock = FakeClock()
    rests = Rests(clock)
    rests.fail(rests.begin(), at_least=60)
    clock.time += 59
    assert rests.begin() is None
    clock.time += 1
    assert rests.begin() is not None
