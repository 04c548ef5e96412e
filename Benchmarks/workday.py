"""The calls of a team, drawn from a seed: who asks for what, and when. No I/O; times are simulated seconds.

The same seed gives the same calls, whatever answers them. An object is named by a reference, which the player turns into an
id: `("seed", n)` is the report that stood at place n of its iTwin's list at the start (0 is the newest), `("run", n)` the n-th
run that the team starts. The generator keeps its own books of what stands in each list, so that people look at and delete
what is there.
"""

import dataclasses, random

RUN_TIME = 120  # a run stays in progress for two minutes
STATUS_POLL = 5  # whoever started a run looks so often whether it has ended


@dataclasses.dataclass(frozen=True)
class Action:
    at: float
    kind: str  # see `Tool` in team-day
    itwin: int
    ref: tuple | None = None
    number: int = 0  # start: the test


@dataclasses.dataclass(frozen=True)
class Actor:
    name: str
    actions: list
    conditional: bool = False  # sends If-None-Match where it has an ETag
    metadata: bool = False  # wants the names of users
    top: int | None = None  # rows of a page while walking; None: the API's own ten


@dataclasses.dataclass
class Shape:
    """How busy the team is. Rates are per hour of simulated time, over all iTwins."""
    seed: int = 1
    minutes: float = 30
    itwins: int = 3
    reports: int = 60  # in each iTwin at the start; the oldest are left alone
    tests: int = 30
    poll: float = 5  # a dashboard refreshes so often
    walk: float = 300  # a script walks so often
    runs: float = 12
    deletes: float = 20
    dashboards: int = 10


def generate(shape):
    rng = random.Random(shape.seed)
    end = shape.minutes * 60
    writers, lists = _writes(shape, rng, end)
    return [*_dashboards(shape, rng, end, lists), *_scripts(shape, rng, end), *writers]


class _Lists:
    """What stands in each iTwin's list at a time, newest first, as far as the team's own writes tell."""

    def __init__(self, shape):
        self.starts = {i: [(-1e9, ("seed", n)) for n in reversed(range(shape.reports))] for i in range(shape.itwins)}
        self.gone = {}

    def at(self, itwin, time):
        return [ref for began, ref in reversed(self.starts[itwin])
                if began <= time and self.gone.get((itwin, ref), 1e9) > time]

    def ended(self, itwin, time):
        began = {ref: t for t, ref in self.starts[itwin]}
        return [ref for ref in self.at(itwin, time) if began[ref] + RUN_TIME + 30 < time]


def _writes(shape, rng, end):
    """Builders each start a run and follow it; three people delete what they see and look at the list again."""
    lists = _Lists(shape)
    times = lambda rate: _poisson(rng, rate / 3600, end)
    events = sorted([(t, "start") for t in times(shape.runs)] + [(t, "delete") for t in times(shape.deletes)])
    builders, people = [], [[] for _ in range(3)]
    for at, what in events:
        # Half of all work happens in the first iTwin.
        itwin = 0 if rng.random() < 0.5 else rng.randrange(shape.itwins)
        legacy = rng.random() < 0.3
        if what == "start":
            ref = ("run", len(builders))
            builders.append([Action(at, "start-v1" if legacy else "start", itwin, ref, rng.randrange(shape.tests)),
                             Action(at + 1, "follow", itwin, ref)])
            lists.starts[itwin].append((at + 1, ref))
        else:
            rows = lists.ended(itwin, at)
            # Mostly what stands on the first page; now and then something old, but never the very oldest.
            ref = rng.choice(rows[:8] if rng.random() < 0.6 else rows[8:-10])
            lists.gone[itwin, ref] = at
            person = people[rng.randrange(3)]
            person += [Action(at - 5, "list", itwin), Action(at, "delete-v1" if legacy else "delete", itwin, ref)]
            # Back at the list, and once more because one wants to be sure; sometimes over an old link to the report.
            person += [Action(at + 0.3, "list", itwin), Action(at + 3, "list", itwin)]
            if rng.random() < 0.5:
                person.append(Action(at + 4, "detail", itwin, ref))
            if rng.random() < 0.3:
                person.append(Action(at + 5, "runs-v1", itwin))
    in_order = lambda actions: sorted((a for a in actions if a.at >= 0), key=lambda a: a.at)
    actors = [Actor(f"builder {n + 1}", a) for n, a in enumerate(builders)]
    return actors + [Actor(f"person {n + 1}", in_order(a)) for n, a in enumerate(people)], lists


def _dashboards(shape, rng, end, lists):
    """Ten: eight on v2 show the first page and the three newest reports, two on v1 the runs and the newest of them."""
    for n in range(shape.dashboards):
        legacy, itwin = n >= 8, [0, 0, 0, 0, 1, 1, 1, 2, 0, 1][n] % shape.itwins
        actions, at, cycle = [], rng.uniform(0, shape.poll), rng.randrange(20)
        while at < end:
            newest = lists.at(itwin, at)
            actions.append(Action(at, "runs-v1" if legacy else "list", itwin))
            actions += [Action(at, "run-v1" if legacy else "detail", itwin, ref) for ref in newest[:1 if legacy else 3]]
            if cycle % 4 == 0:
                actions.append(Action(at, "tests-v1" if legacy else "tests", itwin))
            if cycle % 20 == 0:
                actions.append(Action(at, "templates", itwin))
            at, cycle = at + shape.poll * rng.uniform(0.9, 1.1), cycle + 1
        yield Actor(f"dashboard {n + 1}", actions, conditional=n % 2 == 0, metadata=n == 3)


def _scripts(shape, rng, end):
    """Five walk all pages of reports and of tests; the last speaks v1, and the first reads each report once an hour."""
    for n in range(5):
        itwin, kinds = n % shape.itwins, ["walk-v1"] if n == 4 else ["walk-reports", "walk-tests"]
        actions, at = [], rng.uniform(0, shape.walk)
        while at < end:
            actions += [Action(at, kind, itwin) for kind in kinds]
            at += shape.walk * rng.uniform(0.9, 1.1)
        if n == 0:
            actions += [Action(t, "export", itwin) for t in _steps(rng.uniform(0, min(end, 1800)), 3600, end)]
        yield Actor(f"script {n + 1}", sorted(actions, key=lambda a: a.at), top=20 if n == 3 else None)


def _poisson(rng, rate, end):
    at = rng.expovariate(rate)
    while at < end:
        yield at
        at += rng.expovariate(rate)


def _steps(at, step, end):
    while at < end:
        yield at
        at += step
