"""Tables and sentences about comparisons and recorded sessions.

*Own cost per test* is what a strategy adds to a test: set-up, tear-down and connections. *Whole
test* is that with the test's data and its body. Both add up medians over a session's tests: a stall
of the machine in one of them doesn't count.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from math import ceil, isnan

import pandas as pd

from project.timing.compare import COLUMNS, KEYS, OTHER, PARTS, RUN, SIZES, comparison
from project.timing.recorder import Recorder, costs_of

MEASURES = {
    "own": "own cost per test",
    "whole": "whole test",
    "once": "own cost per session",
    "run": "whole run",
    "in_all": "own cost of all tests and the session",
}
NOT_THE_STRATEGY = ("the test's data", "the test itself", RUN)
ENOUGH = 3  # rounds; fewer show nothing
WIDE = 0.5  # rounds further apart than this share of their median give an order but no figure
MUCH = 50  # times the cost of a connection; where all is well, a database is made in some ten


def sessions(found: pd.DataFrame, failed: bool = False) -> pd.DataFrame:
    """Return each session's `MEASURES` in seconds, by strategy, sizes and round.

    Where a strategy's tests failed on a workload in any round, there is nothing to compare: a test
    that fails may well be fast. Its figures are left empty, unless `failed` asks for them.
    """
    each = found.each * found.times / found.tests
    own = ~found.part.isin(NOT_THE_STRATEGY)
    figures = {
        "own": each.where(own & (found.per == "test"), 0),
        "whole": each.where(found.per == "test", 0),
        "once": found.seconds.where(own & (found.per == "session"), 0),
        "run": found.seconds.where(found.what == RUN, 0),
        "in_all": found.seconds.where(own, 0),
    }
    groups = found.assign(**figures).groupby(KEYS, sort=False)
    sums = groups[list(MEASURES)].sum().rename_axis(columns="measure")
    return sums if failed else sums.mask(groups.failed.any())


def spread(figures: pd.Series) -> pd.DataFrame:
    """Return the median, the lowest and the highest over the rounds."""
    keys = [name for name in figures.index.names if name != "round"]
    return figures.groupby(level=keys, sort=False).agg(["median", "min", "max"])


def ratios(found: pd.DataFrame, dear: str, cheap: str, measure: str = "own") -> pd.DataFrame:
    """Return the spread of two strategies' ratio, for each workload, taken round by round.

    The sessions of a round ran one after the other: what slows the machine down slows both.
    """
    figures = sessions(found)[measure]
    return spread(figures.xs(dear, level="strategy") / figures.xs(cheap, level="strategy"))


def along(found: pd.DataFrame, size: str) -> pd.DataFrame:
    """Return the workloads that differ from the first in this size alone."""
    others = [other for other in SIZES if other != size]
    return found[(found[others] == found[others].iloc[0]).all(axis=1)]


def workloads(found: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each workload's name, such as `100 tests, 2 revisions, 2 tables`, and its rows."""
    for sizes, rows in found.groupby(SIZES, sort=False):
        named = zip(sizes, SIZES, strict=True)
        yield ", ".join(f"{n:,} {size[:-1] if n == 1 else size}" for n, size in named), rows


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what each strategy costs on each workload; of failed ones `verdicts` says why."""
    figures = sessions(found).drop(columns="in_all")
    table = pd.DataFrame({MEASURES[key]: written(spread(figures[key])) for key in figures})
    table[MEASURES["own"]] = table[MEASURES["own"]].replace("", "failed")
    same = [size for size in SIZES if table.index.get_level_values(size).nunique() == 1]
    return titled(table.droplevel(same), found)


def titled(table: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Say in a table's corner of how many rounds its figures are."""
    rounds = found["round"].nunique()
    enough = f"median (range) of {rounds} rounds"
    few = f"{rounds} round{'s' * (rounds > 1)}: too few to compare"
    return table.rename_axis(columns=enough if rounds >= ENOUGH else few)


def by_part(found: pd.DataFrame) -> pd.DataFrame:
    """Return where the time goes: each part's seconds per session and per test, as medians."""
    found = found[~found.failed]
    each = found.each * found.times / found.tests
    seconds = found.assign(seconds=each.where(found.per == "test", found.seconds))
    figures = seconds.groupby([*KEYS, "per", "part"], sort=False).seconds.sum()
    figures = figures.unstack(["per", "part"], fill_value=0)
    names = [part for part in (*PARTS.values(), OTHER) if part != RUN]
    columns = pd.MultiIndex.from_product([["session", "test"], names])
    medians = figures.groupby(level=KEYS[:-1], sort=False).median()
    return medians.reindex(columns=columns).fillna(0)


def parts(found: pd.DataFrame) -> pd.DataFrame:
    """Tabulate where a workload's time goes, by part: medians over the rounds."""
    table = by_part(found).droplevel(SIZES).T.map(lambda s: duration(s) if s else "")
    return table[(table != "").any(axis=1)].rename(lambda per: f"per {per}", level=0)


def verdicts(found: pd.DataFrame) -> list[str]:
    """Say for each pair of strategies on a workload which costs more, if the rounds agree."""
    why = found.groupby("strategy", sort=False).error.max()
    failed = [f"{strategy} failed: {error}" for strategy, error in why.items() if error]
    passed = sessions(found).own.groupby(level="strategy").median().dropna()
    pairs = combinations(passed.sort_values(ascending=False).index, 2)
    return failed + [verdict(found, dear, cheap) for dear, cheap in pairs]


def verdict(found: pd.DataFrame, dear: str, cheap: str) -> str:
    """Say how many times as much one strategy costs as another, of its own and with the test."""
    rounds = found["round"].nunique()
    own, low, high = ratios(found, dear, cheap, "own").iloc[0]
    whole, *ends = ratios(found, dear, cheap, "whole").iloc[0]
    range_ = f"{two_figures(low)} to {two_figures(high)} times in {rounds} rounds"
    if rounds < ENOUGH:
        return f"{dear} against {cheap}: {range_}. Fewer than three rounds show nothing."
    said = f"{dear} costs {two_figures(own)} times as much per test as {cheap} ({range_})"
    if low <= 1:
        said = f"The own costs of {dear} and {cheap} can't be put in order: {range_}"
    elif high - low > WIDE * own:
        order = f"{dear} costs more per test than {cheap} in every round"
        said = f"{order}, but the rounds lie too far apart for a figure: {range_}"
    times = two_figures(whole)
    if min(ends) <= 1 <= max(ends):
        times = f"between {' and '.join(map(two_figures, ends))}"
    return f"{said}; a whole test takes {times} times as long."


def growth(found: pd.DataFrame, size: str, measure: str = "own") -> pd.DataFrame:
    """Tabulate how a measure grows with a size, a slope for each step: a line that bends shows."""
    found = along(found, size)
    figures = sessions(found)[measure].droplevel([other for other in SIZES if other != size])
    wide = figures.unstack(size).sort_index(axis=1).dropna()
    keys = wide.groupby(level="strategy", sort=False)
    table = keys.median().map(duration).rename(columns=lambda n: f"{n:,} {size}")
    for low, high in pairwise(wide.columns):
        step = spread((wide[high] - wide[low]) / (high - low))
        none = (step["min"] <= 0) & (step["max"] >= 0)
        slope = written(step) + none.map({True: ", may be none", False: ""})
        table[f"per further {size[:-1]}, {low:,} to {high:,}"] = slope
    return titled(table, found).rename_axis(index=MEASURES[measure])


def break_even(found: pd.DataFrame, one: str, other: str) -> str:
    """Say from how many tests on which of two strategies costs less in all, if the rounds agree."""
    figures = sessions(next(rows for _, rows in workloads(found)))
    sides = {name: figures.xs(name, level="strategy") for name in (one, other)}
    cheap, dear = sorted(sides, key=lambda name: float(sides[name].own.median()))
    saved = sides[dear].own - sides[cheap].own
    if len(saved) < ENOUGH:
        return "Fewer than three rounds show nothing."
    if not saved.min() > 0:
        return f"{one} and {other} can't be put in order, so no number of tests decides."
    crossing = (sides[cheap].once - sides[dear].once) / saved
    if crossing.median() < 1:
        return f"{cheap} costs less from the first test on."
    ends = crossing.median(), crossing.min(), crossing.max()
    middle, low, high = (int(float(f"{max(1, ceil(end)):.2g}")) for end in ends)
    said = f"{cheap} costs less from about {middle} tests on"
    return f"{said} ({low} to {high} in {len(saved)} rounds)."


def suites(found: pd.DataFrame, tests: Sequence[int] = (50, 500, 5000)) -> pd.DataFrame:
    """Tabulate what suites would take: each round's run, with more whole tests like its own."""
    (sizes, rows), *_ = found.groupby(SIZES, sort=False)
    figures = sessions(rows).droplevel(SIZES)
    lines = {f"{n:,} tests": spread(figures.run + (n - sizes[0]) * figures.whole) for n in tests}
    return pd.DataFrame({n: t.apply(lambda row: about(*row[1:]), 1) for n, t in lines.items()})


def proportion(found: pd.DataFrame) -> str:
    """Say so if making a database takes out of proportion long here, else nothing."""
    made = found[(found.what == "create_test_db") & (found.phase == "set-up")]
    making = made.groupby("strategy").each.median().min()
    opening = found[found.what == "(connection)"].each.median()
    system = found.attrs.get("environment", {}).get("file system", "unknown")
    if not making > MUCH * opening:
        return ""
    return (
        f"CREATE DATABASE is out of proportion here: the test database takes {duration(making)},"
        f" {making / opening:.0f} times as long as opening a connection, where some ten times are"
        f" usual. (The file system: {system}.) What is paid per session, and for each of template's"
        " copies, says little of other machines."
    )


def report(found: pd.DataFrame) -> str:
    """Return everything as text, for a terminal."""
    environment = ", ".join(f"{name} {value}" for name, value in found.attrs["environment"].items())
    blocks = [environment, proportion(found)]
    for name, rows in workloads(found):
        said = "\n".join(verdicts(rows))
        blocks += [name, summary(rows).to_string(), said, parts(rows).to_string()]
    for size in SIZES:
        if along(found, size)[size].nunique() > 1:
            blocks.append(growth(found, size, "in_all" if size == "tests" else "own").to_string())
    return "\n\n".join(filter(None, blocks))


def recorded(systems: Mapping[str, Sequence[Recorder]]) -> pd.DataFrame:
    """Return recorded sessions as a comparison, each system's sessions as its rounds."""
    rows = [
        {**dict.fromkeys(COLUMNS, 0), "strategy": name, "tests": len(recorder.tests)}
        | {"round": number, "error": "", **cost}
        for name, recorders in systems.items()
        for number, recorder in enumerate(recorders)
        for cost in costs_of(recorder)
    ]
    return comparison(pd.DataFrame(rows, columns=COLUMNS))


def costs(systems: Mapping[str, Sequence[Recorder]]) -> pd.DataFrame:
    """Tabulate what each system's recorded sessions cost: medians and ranges."""
    table = summary(recorded(systems)).drop(columns=MEASURES["run"])
    last = [recorders[-1] for recorders in systems.values()]
    runs = [len(recorder.migrations) for recorder in last]
    table.insert(0, f"Alembic ran, for {len(last[0].tests)} tests", runs)
    return table


def shares(recorder: Recorder) -> pd.DataFrame:
    """Tabulate where a test's time goes, as means, without the fixtures that tests share."""
    spans = [(s.name, s.set_up, s.tear_down) for s in recorder.fixtures if s.scope == "function"]
    spans += [("the test itself", test.ending - test.ready, 0) for test in recorder.tests]
    named = pd.DataFrame(spans, columns=["part", "set-up", "tear-down"])
    means = named.groupby("part").sum() / len(recorder.tests)
    means["mean per test"] = mean = means.sum(axis=1)
    table = means.map(duration)
    table.loc["the test itself", ["set-up", "tear-down"]] = ""
    table["share"] = (mean / (mean.sum() or 1)).map("{:.0%}".format)
    return table.loc[mean.sort_values(ascending=False).index]


def duration(seconds: float) -> str:
    """Write a duration in the unit that fits it, from microseconds to minutes."""
    if isnan(seconds):
        return ""
    size = abs(seconds)
    if size < 0.0009995:
        return f"{round(float(f'{seconds * 1e6:.2g}')) + 0} µs"
    if size < 0.9995:
        return f"{seconds * 1e3:.{1 if size < 0.00995 else 0}f} ms"
    if size < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def written(rows: pd.DataFrame) -> pd.Series:
    """Write each median with its range, such as `30 ms (29 to 31)`; a single value alone."""
    cells = []
    for middle, low, high in rows.values:
        said, *ends = (duration(seconds) for seconds in (middle, low, high))
        if len({end.partition(" ")[2] for end in (said, *ends)}) == 1:
            ends = [end.partition(" ")[0] for end in ends]
        cells.append(said if low == high or isnan(middle) else f"{said} ({' to '.join(ends)})")
    return pd.Series(cells, rows.index)


def about(low: float, high: float, unit: str = "s") -> str:
    """Write a range that is extrapolated: two figures at each end are more than enough."""
    if unit == "s" and high >= 120:
        low, high, unit = low / 60, high / 60, "min"
    ends = dict.fromkeys((two_figures(low), two_figures(high)))
    return f"{' to '.join(ends) if len(ends) > 1 else f'about {two_figures(low)}'} {unit}"


def two_figures(number: float) -> str:
    """Return a number rounded to two significant figures, such as 0.98, 1.0, 4.7 and 120."""
    return f"{number:.1f}" if 0.995 <= number < 9.95 else f"{float(f'{number:.2g}'):g}"
