"""Pictures of what a Recorder has recorded, and of comparisons."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from project.timing.recorder import Recorder
from project.timing.results import PARTS, Comparison, Measure, Part, each_for, per_test
from project.timing.workload import Workload

# Colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#BBBBBB"
PURPLE, SKY = "#CC79A7", "#56B4E9"

LINE_COLOURS = (RED, BLUE, GREEN, ORANGE, PURPLE, SKY)
PART_COLOURS: dict[Part, str] = {
    "creating": SKY,
    "migrating": RED,
    "connecting": ORANGE,
    "cleaning": BLUE,
    "other": PURPLE,
    "data": "#DDDDDD",
    "test": GREEN,
}


def draw_lifetimes(recorders: Mapping[str, Recorder], title: str) -> Figure:
    """Draw when each fixture lived, one panel for each recorded session, all to one scale.

    A lane for each fixture, the tests on top. A bar is dark while a fixture is set up or torn
    down and light while it lives; a triangle marks the beginning of a run of Alembic.

    Args:
        recorders: a name for each session, and what was recorded of it.
        title: what the picture shows.
    """
    lanes = [1 + len({span.name for span in r.fixtures}) for r in recorders.values()]
    figure, axes = plt.subplots(
        len(recorders),
        1,
        sharex=True,
        squeeze=False,
        figsize=(9, 0.9 + sum(0.55 + 0.27 * n for n in lanes)),
        height_ratios=[n + 1 for n in lanes],
        layout="constrained",
    )
    for axis, (name, recorder) in zip(axes[:, 0], recorders.items(), strict=True):
        draw_session(axis, name, recorder)
    axes[-1, 0].set_xlim(left=0)
    axes[-1, 0].set_xlabel("milliseconds since the session began")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    figure.legend(*legend(axes[0, 0]), loc="outside lower center", ncols=5, frameon=False)
    plt.close(figure)  # the notebook shows the returned figure; pyplot would show it once more
    return figure


def draw_session(axis: Axes, name: str, recorder: Recorder) -> None:
    """Draw one session's lanes."""
    names = ["tests", *dict.fromkeys(span.name for span in recorder.fixtures)]
    for span in recorder.spans:
        lane = 0 if span.kind == "test" else names.index(span.name)
        if span.kind == "test":
            draw_bar(axis, lane, span.ready, span.ending, GREEN, "test")
        else:
            draw_bar(axis, lane, span.ready, span.ending, GREY, "fixture lives")
            draw_bar(axis, lane, span.start, span.ready, BLUE, "set-up, tear-down")
            draw_bar(axis, lane, span.ending, span.end, BLUE, "set-up, tear-down")
    lane = names.index("migrate_db") if "migrate_db" in names else 0
    for run in recorder.migrations:
        up = run.direction != "downgrade"
        axis.plot(
            run.at * 1000,
            lane,
            "^" if up else "v",
            color=RED if up else ORANGE,
            markeredgecolor="white",
            markersize=9,
            linestyle="none",
            label="Alembic upgrades" if up else "Alembic downgrades",
        )
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(left=False)
    axis.set_title(
        f"{name}: {len(recorder.tests)} tests, Alembic ran {len(recorder.migrations)} times",
        fontsize=10,
        loc="left",
    )


def draw_bar(axis: Axes, lane: int, start: float, end: float, colour: str, label: str) -> None:
    """Draw a bar from `start` to `end`, both in seconds, on a scale of milliseconds."""
    axis.barh(
        lane,
        (end - start) * 1000,
        left=start * 1000,
        height=0.6,
        color=colour,
        edgecolor="white",  # keeps two bars apart where one ends and the next begins
        linewidth=0.7,
        label=label,
    )


def legend(axis: Axes) -> tuple[list[Artist], list[str]]:
    """Return an axis's handles and labels, each label once."""
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    return list(unique.values()), list(unique)


def draw_costs(
    comparison: Comparison, workloads: Sequence[Workload] = (), title: str = ""
) -> Figure:
    """Draw what a test costs under each strategy, by part: medians over rounds.

    A strategy whose tests failed has no bar.

    Args:
        comparison: what was measured.
        workloads: a panel for each, with a scale of its own; by default all.
        title: what the picture shows. By default what all rounds agree on.
    """
    workloads = workloads or comparison.workloads
    bars = len(comparison.strategies)
    figure, axes = plt.subplots(
        len(workloads),
        1,
        squeeze=False,
        figsize=(9, 1.2 + len(workloads) * (0.7 + 0.4 * bars)),
        layout="constrained",
    )
    for axis, workload in zip(axes[:, 0], workloads, strict=True):
        for lane, strategy in enumerate(comparison.strategies):
            if comparison.error(strategy, workload):
                axis.text(0, lane, " failed", va="center", fontsize=9)
                continue
            start = 0.0
            for part, colour in PART_COLOURS.items():
                length = comparison.spread(strategy, workload, each_for(part)).median
                if length:
                    draw_bar(axis, lane, start, start + length, colour, PARTS[part])
                start += length
            axis.text(start * 1000, lane, f"  {start * 1000:,.0f} ms", va="center", fontsize=9)
        axis.set_yticks(range(bars), comparison.strategies, fontsize=9)
        axis.set_ylim(bars - 0.5, -0.5)
        axis.margins(x=0.12)
        axis.set_xlim(left=0)
        axis.grid(axis="x", alpha=0.3)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(left=False)
        axis.set_title(str(workload), fontsize=10, loc="left")
    axes[-1, 0].set_xlabel("milliseconds per test")
    figure.suptitle(title or finding(comparison, workloads), fontsize=11, x=0.01, ha="left")
    figure.legend(*legend(axes[0, 0]), loc="outside lower center", ncols=4, frameon=False)
    plt.close(figure)
    return figure


def draw_overview(comparison: Comparison, title: str = "") -> Figure:
    """Draw what a test costs under each strategy on every workload, on one logarithmic scale.

    A dot is the median of the rounds; the line through it goes from the lowest to the highest.

    Args:
        comparison: what was measured.
        title: what the picture shows. By default what all rounds agree on.
    """
    workloads = comparison.workloads
    figure, axis = plt.subplots(figsize=(9, 1.6 + 0.35 * len(workloads)), layout="constrained")
    for strategy, colour in zip(comparison.strategies, cycle(LINE_COLOURS), strict=False):
        for lane, workload in enumerate(workloads):
            if comparison.error(strategy, workload):
                continue
            spread = comparison.spread(strategy, workload)
            ends = [spread.low * 1000, spread.high * 1000]
            axis.plot(ends, [lane, lane], color=colour, linewidth=3, alpha=0.4)
            axis.plot(spread.median * 1000, lane, "o", color=colour, label=strategy)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:,g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_yticks(range(len(workloads)), [str(workload) for workload in workloads], fontsize=9)
    axis.set_ylim(len(workloads) - 0.4, -0.6)
    axis.set_xlabel("milliseconds per test, without the test itself (logarithmic)")
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(left=False)
    figure.suptitle(title or finding(comparison, workloads), fontsize=11, x=0.01, ha="left")
    figure.legend(*legend(axis), loc="outside lower center", ncols=4, frameon=False)
    plt.close(figure)
    return figure


def finding(comparison: Comparison, workloads: Sequence[Workload]) -> str:
    """Say which strategy costs least per test, or else most, if every round agrees on it."""
    sound = [s for s in comparison.strategies if not any(comparison.error(s, w) for w in workloads)]
    for word, holds in (("least", lambda r: r.high < 1), ("most", lambda r: r.low > 1)):
        for one in sound:
            others = [other for other in sound if other != one]
            ratios = [comparison.ratio(one, o, w) for o in others for w in workloads]
            if ratios and all(map(holds, ratios)):
                return f"{one} costs {word} per test"
    return "What a test costs"


def draw_growth(
    comparisons: Mapping[str, Comparison],
    size: str,
    title: str,
    measure: Measure = per_test,
    label: str = "milliseconds per test",
) -> Figure:
    """Draw how a cost grows with `tests`, `revisions`, `tables` or `rows`.

    A point for each round and a line fitted through all of them.

    Args:
        comparisons: a panel for each, under its name; each has two values of `size` or more.
        size: which.
        title: what the picture shows.
        measure: what is drawn, in seconds.
        label: what it is, for the axis; in milliseconds.
    """
    figure, axes = plt.subplots(
        1, len(comparisons), squeeze=False, figsize=(9, 3.6), layout="constrained"
    )
    for axis, (name, comparison) in zip(axes[0], comparisons.items(), strict=True):
        workloads = comparison.along(size)
        sizes = [getattr(workload, size) for workload in workloads]
        ends = [sizes[0], sizes[-1]]
        for strategy, colour in zip(comparison.strategies, cycle(LINE_COLOURS), strict=False):
            if any(comparison.error(strategy, workload) for workload in workloads):
                continue
            for x, workload in zip(sizes, workloads, strict=True):
                ys = [measure(session) * 1000 for session in comparison.of(strategy, workload)]
                axis.plot([x] * len(ys), ys, "o", color=colour, alpha=0.5)
            line = comparison.fit(strategy, size, measure)
            axis.plot(ends, [line.at(x) * 1000 for x in ends], color=colour, label=strategy)
        axis.set_title(f"{name}, {comparison.rounds} rounds", fontsize=10, loc="left")
        axis.set_xlabel(size)
        axis.set_xticks(sizes)
        axis.yaxis.set_major_formatter("{x:,.0f}")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    axes[0, 0].set_ylabel(label)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    plt.close(figure)
    return figure
