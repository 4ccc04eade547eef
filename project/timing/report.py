"""Tables and sentences about a comparison, for a notebook and for a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import combinations
from statistics import median

from project.timing.results import (
    PARTS,
    Comparison,
    Measure,
    Phase,
    Spread,
    each_for,
    in_all,
    once_for,
    per_session,
    per_test,
    whole_run,
    whole_test,
)
from project.timing.tables import Table, milliseconds
from project.timing.workload import Workload

# Rounds that lie further apart than this share of their median give an order but no figure.
WIDE = 0.5
LEAST = 0.0001
UNITS = {
    "tests": "test",
    "revisions": "revision",
    "tables": "table",
    "rows": "row",
    "kinds": "kind",
}


def summary(comparison: Comparison, workload: Workload | None = None) -> Table:
    """Tabulate what each strategy costs on a workload, by default the first: medians over rounds.

    A strategy whose tests failed has the reason in place of figures.
    """
    workload = workload or comparison.workloads[0]
    headers = [
        "strategy",
        "per test",
        f"in {comparison.rounds} rounds",
        "of each test: set-up",
        "body",
        "tear-down",
        "once per session",
        f"whole run of {workload.tests} tests",
    ]
    rows = []
    for strategy in comparison.strategies:
        if error := comparison.error(strategy, workload):
            rows.append([strategy, f"failed: {error}", *[""] * (len(headers) - 2)])
            continue

        def typical(measure: Measure, strategy: str = strategy) -> float:
            return comparison.spread(strategy, workload, measure).median

        rows.append(
            [
                strategy,
                milliseconds(typical(per_test)),
                from_to(comparison.spread(strategy, workload, per_test)),
                milliseconds(typical(lambda session: session.all_of("set-up"))),
                milliseconds(typical(lambda session: session.all_of("test"))),
                milliseconds(typical(lambda session: session.all_of("tear-down"))),
                milliseconds(typical(per_session)),
                duration(typical(whole_run)),
            ]
        )
    return Table(headers, rows)


def parts(comparison: Comparison, workload: Workload | None = None) -> Table:
    """Tabulate where the time goes, by part: medians over rounds."""
    workload = workload or comparison.workloads[0]
    rows = []
    for strategy in comparison.strategies:
        if comparison.error(strategy, workload):
            continue
        once = [comparison.spread(strategy, workload, once_for(part)).median for part in PARTS]
        each = [comparison.spread(strategy, workload, each_for(part)).median for part in PARTS]
        for paid, costs in (("once", once), ("per test", each)):
            rows.append([strategy, paid, *(milliseconds(s) if s else "" for s in costs)])
    return Table(["strategy", "paid", *PARTS.values()], rows)


def by_fixture(comparison: Comparison, workload: Workload | None = None) -> Table:
    """Tabulate how often each fixture was set up and torn down, and what that cost each time.

    The costs are medians. What costs less than a tenth of a millisecond everywhere is left out.
    """
    workload = workload or comparison.workloads[0]
    order: list[Phase] = ["set-up", "test", "tear-down"]
    cells: dict[tuple[Phase, str], dict[str, str]] = {}
    for strategy in comparison.strategies:
        sessions = comparison.of(strategy, workload)
        for cost in sessions[0].costs if not comparison.error(strategy, workload) else []:
            key = (cost.phase, cost.what)
            each = median(c.each for s in sessions for c in s.costs if (c.phase, c.what) == key)
            if each >= LEAST:
                cells.setdefault(key, {})[strategy] = f"{cost.times} × {milliseconds(each)}"
    rows = [
        [what, phase, *(found.get(strategy, "") for strategy in comparison.strategies)]
        for (phase, what), found in sorted(cells.items(), key=lambda item: order.index(item[0][0]))
    ]
    return Table(["fixture", "phase", *comparison.strategies], rows)


def verdicts(
    comparison: Comparison, workload: Workload | None = None, measure: Measure = per_test
) -> list[str]:
    """Say for each pair of strategies which costs more per test and how many times, if one can."""
    workload = workload or comparison.workloads[0]
    passed = [s for s in comparison.strategies if not comparison.error(s, workload)]
    passed.sort(key=lambda s: comparison.spread(s, workload, measure).median, reverse=True)
    return [
        f"{strategy} failed: {comparison.error(strategy, workload)}"
        for strategy in comparison.strategies
        if strategy not in passed
    ] + [
        verdict(dear, cheap, comparison.ratio(dear, cheap, workload, measure), comparison.rounds)
        for dear, cheap in combinations(passed, 2)
    ]


def verdict(dear: str, cheap: str, ratio: Spread, rounds: int) -> str:
    """Say how many times as much one strategy costs as another, if the rounds agree."""
    range_ = f"{two_figures(ratio.low)} to {two_figures(ratio.high)} times"
    if rounds < 3:
        return f"{dear} against {cheap}: {range_}. Fewer than three rounds show nothing."
    if ratio.low <= 1:
        return f"{dear} and {cheap} can't be put in order: {range_} in {rounds} rounds."
    if ratio.high - ratio.low > WIDE * ratio.median:
        return (
            f"{dear} costs more per test than {cheap} in every round, but the rounds lie too far"
            f" apart for a figure: {range_}."
        )
    return (
        f"{dear} costs {two_figures(ratio.median)} times as much per test as {cheap}"
        f" ({range_} in {rounds} rounds)."
    )


def two_figures(number: float) -> str:
    """Return a ratio rounded to two significant figures, such as 0.98, 4.7 and 120."""
    return f"{float(f'{number:.2g}'):g}"


def growth(comparison: Comparison, size: str, measure: Measure = per_test) -> Table:
    """Tabulate how a cost grows with `tests`, `revisions`, `tables` or `rows`, and a line's fit."""
    workloads = comparison.along(size)
    rows = []
    for strategy in without_failures(comparison, size):
        line = comparison.fit(strategy, size, measure)
        rows.append(
            [
                strategy,
                *(milliseconds(comparison.spread(strategy, w, measure).median) for w in workloads),
                milliseconds(line.slope),
                from_to(line.slopes) + (" (may be none)" if line.slope_may_be_zero else ""),
                f"{line.r_squared:.2f}",
            ]
        )
    unit = UNITS[size]
    sizes = [f"{getattr(w, size)} {size}" for w in workloads]
    return Table(["strategy", *sizes, f"per further {unit}", "by round", "R²"], rows)


def without_failures(comparison: Comparison, size: str) -> list[str]:
    """Return the strategies to which a line along a size can be fitted: none of theirs failed."""
    workloads = comparison.along(size)
    return [s for s in comparison.strategies if not any(comparison.error(s, w) for w in workloads)]


def lines(comparison: Comparison) -> Table:
    """Tabulate the fitted cost of a strategy's fixtures: once per session, and for each test."""
    rows = []
    for strategy in without_failures(comparison, "tests"):
        line = comparison.fit(strategy, "tests", in_all)
        rows.append(
            [
                strategy,
                milliseconds(line.intercept),
                milliseconds(line.slope),
                from_to(line.slopes),
                f"{line.r_squared:.3f}",
            ]
        )
    return Table(["strategy", "once per session", "for each test", "by round", "R²"], rows)


def break_even(comparison: Comparison, one: str, other: str) -> float:
    """Return the number of tests at which two strategies' fixtures cost the same."""
    a, b = (comparison.fit(strategy, "tests", in_all) for strategy in (one, other))
    return (a.intercept - b.intercept) / (b.slope - a.slope)


def suites(comparison: Comparison, tests: Sequence[int] = (50, 500, 5000)) -> Table:
    """Tabulate what whole suites of tests like these would take, from a line through whole runs."""
    rows = []
    for strategy in without_failures(comparison, "tests"):
        line = comparison.fit(strategy, "tests", whole_run)
        rows.append([strategy, *(duration(line.at(number)) for number in tests)])
    return Table(["strategy", *(f"{number:,} tests" for number in tests)], rows)


def side_by_side(comparisons: Mapping[str, Comparison]) -> Table:
    """Tabulate comparisons of the same strategies on the same workload: medians over rounds."""
    rows = []
    for strategy in next(iter(comparisons.values())).strategies:
        for name, comparison in comparisons.items():
            workload = comparison.workloads[0]
            if error := comparison.error(strategy, workload):
                rows.append([strategy, name, f"failed: {error}", "", "", ""])
                continue
            each = comparison.spread(strategy, workload)
            test = comparison.spread(strategy, workload, whole_test)
            once = comparison.spread(strategy, workload, per_session)
            rows.append(
                [
                    strategy,
                    name,
                    milliseconds(each.median),
                    from_to(each),
                    milliseconds(test.median),
                    milliseconds(once.median),
                ]
            )
    return Table(
        ["strategy", "", "per test", "by round", "with the test itself", "once per session"], rows
    )


def overhead(comparison: Comparison) -> Spread:
    """Return what recording adds to a run, as a share of it, over all pairs of sessions.

    Raises:
        ValueError: the comparison was made without bare sessions.
    """
    pairs = [(s.seconds, s.bare_seconds) for s in comparison.sessions if s.bare_seconds]
    if not pairs:
        raise ValueError("no session was run once more without recording: bare=True")
    return Spread.of(recorded / bare - 1 for recorded, bare in pairs)


def environment(comparison: Comparison) -> Table:
    """Tabulate where a comparison was made."""
    return Table(["", ""], list(comparison.environment.items()))


def report(comparison: Comparison) -> str:
    """Return everything as text, for a terminal."""
    blocks = [", ".join(f"{name} {value}" for name, value in comparison.environment.items())]
    for workload in comparison.workloads:
        blocks += [
            str(workload),
            str(summary(comparison, workload)),
            "\n".join(verdicts(comparison, workload)),
            str(parts(comparison, workload)),
        ]
    for field in fields(Workload):
        if len(comparison.along(field.name)) > 1:
            by_tests = field.name == "tests"
            blocks.append(str(lines(comparison) if by_tests else growth(comparison, field.name)))
    if any(session.bare_seconds for session in comparison.sessions):
        added = overhead(comparison)
        blocks.append(
            f"Recording adds {added.median:.1%} to a run"
            f" ({added.low:.1%} to {added.high:.1%} over {len(comparison.sessions)} pairs)."
        )
    return "\n\n".join(blocks)


def from_to(spread: Spread) -> str:
    """Write a spread's ends, in milliseconds."""
    return f"{milliseconds(spread.low)} to {milliseconds(spread.high)}"


def duration(seconds: float) -> str:
    """Write a duration in seconds, from a minute on in minutes and seconds."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
