"""A workflow of five jobs for the TES server, and of what comes before and after at the leader."""

from toil.common import Toil
from toil.job import Job

SMALL = {"cores": 1, "memory": "100M", "disk": "100M"}


class Begin(Job):
    def __init__(self):
        super().__init__(local=True, **SMALL)

    def run(self, _files):
        squares = [self.addChild(Square(number)).rv() for number in range(1, 6)]
        return self.addFollowOn(Sum(squares)).rv()


class Square(Job):
    def __init__(self, number):
        super().__init__(**SMALL)
        self.number = number

    def run(self, _files):
        return self.number**2


class Sum(Job):
    def __init__(self, squares):
        super().__init__(local=True, **SMALL)
        self.squares = squares

    def run(self, _files):
        return sum(self.squares)


if __name__ == "__main__":
    with Toil(Job.Runner.getDefaultArgumentParser().parse_args()) as toil:
        print(toil.start(Begin()))  # noqa: T201
