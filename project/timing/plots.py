"""Pictures of recorded sessions and of comparisons. Each says in words what it shows."""

import io
from collections.abc import Mapping, Sequence
from itertools import cycle, product
from typing import Any, cast

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from project.timing import figures
from project.timing.compare import OTHER, PARTS, SIZES
from project.timing.figures import MEASURES, duration, sessions, spread
from project.timing.recorder import Recorder

# Colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#BBBBBB"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#333333"
# A strategy's dots differ in shape too.
STYLES = tuple(zip((RED, BLUE, GREEN, ORANGE, PURPLE, SKY, BLACK), "os^DvPX", strict=True))
# In the order of the parts. The last two are the whole run, which has no bar, and the rest.
HUES = (SKY, RED, ORANGE, BLUE, "#DDDDDD", GREEN, BLACK, PURPLE)
COLOURS = dict(zip((*PARTS.values(), OTHER), HUES, strict=True))


class Picture(Figure):
    """A figure with an alternative text, `alt`, which a notebook stores beside it."""

    alt = ""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=80)
        bundle = {"image/png": file.getvalue(), "text/plain": self.alt}
        return bundle, {"image/png": {"alt": self.alt}}


def start(title: str, alt: str, rows: int, columns: int, height: float, **options: Any) -> Any:
    """Return a picture and its axes, which share their scales."""
    picture = Picture(figsize=(9, height), layout="constrained")
    picture.alt = f"{title}. {alt}"
    picture.suptitle(title, fontsize=11, x=0.01, ha="left")
    axes = picture.subplots(rows, columns, sharex=True, squeeze=False, **options)
    for axis in axes.flat:
        axis.grid(axis="x", alpha=0.3)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(left=False, labelsize=9)
    return picture, axes


def finish(picture: Any, axis: Axes) -> Picture:
    """Put the legend under a picture, each label once, and return it."""
    marks = {label: mark for mark, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    place = {"loc": "outside lower center", "ncols": 6, "fontsize": 9, "frameon": False}
    picture.legend(marks.values(), marks.keys(), **place)
    return cast("Picture", picture)


def lanes(axis: Axes, names: list[str]) -> None:
    """Name lanes from top to bottom."""
    axis.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))


def draw_bar(axis: Axes, lane: int, begin: float, end: float, colour: str, label: str) -> None:
    """Draw a bar from `begin` to `end`, both in seconds, on a scale of milliseconds."""
    # The white edge keeps two bars apart where one ends and the next begins.
    style: Any = {"height": 0.6, "color": colour, "edgecolor": "white", "linewidth": 0.7}
    axis.barh(lane, (end - begin) * 1000, left=begin * 1000, label=label, **style)


def draw_lifetimes(recorders: Mapping[str, Recorder], title: str) -> Picture:
    """Draw when each fixture lived, one panel for each recorded session, all to one scale.

    A lane for each fixture, the tests on top. A bar is dark while a fixture is set up or torn
    down and light while it lives; a triangle marks the beginning of a run of Alembic.
    """
    panels = {
        f"{name}: {len(r.tests)} tests, Alembic ran {len(r.migrations)} times": r
        for name, r in recorders.items()
    }
    rows = [2 + len({span.name for span in r.fixtures}) for r in recorders.values()]
    height = 0.9 + sum(0.28 + 0.27 * n for n in rows)
    alt = f"A lane for each fixture, over time. {'; '.join(panels)}."
    picture, axes = start(title, alt, len(rows), 1, height, height_ratios=rows)
    for axis, (name, recorder) in zip(axes[:, 0], panels.items(), strict=True):
        draw_session(axis, recorder)
        axis.set_title(name, fontsize=10, loc="left")
    axes[-1, 0].set(xlim=(0, None), xlabel="milliseconds since the session began")
    return finish(picture, axes[0, 0])


def draw_session(axis: Axes, recorder: Recorder) -> None:
    """Draw one session's lanes."""
    names = ["tests", *dict.fromkeys(span.name for span in recorder.fixtures)]
    for span in recorder.tests:
        draw_bar(axis, 0, span.ready, span.ending, GREEN, "test")
    for span in recorder.fixtures:
        lane = names.index(span.name)
        draw_bar(axis, lane, span.ready, span.ending, GREY, "fixture lives")
        draw_bar(axis, lane, span.start, span.ready, BLUE, "set-up, tear-down")
        draw_bar(axis, lane, span.ending, span.end, BLUE, "set-up, tear-down")
    lane = names.index("migrate_db") if "migrate_db" in names else 0
    for run in recorder.migrations:
        up = run.direction != "downgrade"
        mark, colour, label = ("^", RED, "upgrades") if up else ("v", ORANGE, "downgrades")
        style: Any = {"markeredgecolor": "white", "markersize": 9, "linestyle": "none"}
        axis.plot(run.at * 1000, lane, mark, color=colour, label=f"Alembic {label}", **style)
    lanes(axis, names)


def draw_costs(found: pd.DataFrame, title: str = "") -> Picture:
    """Draw a whole test under each strategy by part, medians over rounds, a panel per workload.

    A strategy whose tests failed has no bar. By default the title is what all rounds agree on.
    """
    panels = dict(figures.workloads(found))
    names = list(dict.fromkeys(found.strategy))
    height = 1.2 + len(panels) * (0.7 + 0.4 * len(names))
    alt = f"Bars of milliseconds. {in_words(found)}"
    picture, axes = start(title or finding(found), alt, len(panels), 1, height)
    for axis, (workload, rows) in zip(axes[:, 0], panels.items(), strict=True):
        medians = spread(sessions(rows).own).droplevel(SIZES)["median"]
        lengths = figures.by_part(rows)["test"].droplevel(SIZES).reindex(names)
        for lane, (own, parts) in enumerate(zip(medians, lengths.to_dict("records"), strict=True)):
            end = 0.0
            for part, length in parts.items():
                if length > 0:
                    draw_bar(axis, lane, end, end := end + length, COLOURS[part], part)
            text = f"  {duration(end)}, own: {duration(own)}" if end else " failed"
            axis.text(end * 1000, lane, text, va="center", fontsize=9)
        lanes(axis, names)
        axis.margins(x=0.25)
        axis.set_title(workload, fontsize=10, loc="left")
    axes[-1, 0].set(xlim=(0, None), xlabel="milliseconds of a whole test")
    return finish(picture, axes[0, 0])


def draw_overview(found: pd.DataFrame, title: str = "") -> Picture:
    """Draw own costs and whole tests under each strategy on every workload, on one scale.

    A dot is the median of the rounds; the line through it goes from the lowest to the highest. By
    default the title is what all rounds agree on.
    """
    panels = dict(figures.workloads(found))
    alt = f"Dots on a logarithmic scale, {len(panels)} workloads. {in_words(found)}"
    picture, axes = start(title or finding(found), alt, 1, 2, 1.4 + 0.6 * len(panels), sharey=True)
    look = dict(zip(dict.fromkeys(found.strategy), cycle(STYLES), strict=False))
    for axis, measure in zip(axes[0], ("own", "whole"), strict=True):
        milliseconds = spread(sessions(found)[measure]).dropna() * 1000
        for (lane, rows), (number, name) in product(enumerate(panels.values()), enumerate(look)):
            key = (name, *rows[SIZES].iloc[0])
            if key not in milliseconds.index:
                continue
            (colour, shape), (dot, low, high) = look[name], milliseconds.loc[key]
            y = lane + 0.8 * ((number + 0.5) / len(look) - 0.5)  # beside the others' dots
            axis.plot([low, high], [y, y], color=colour, linewidth=3, alpha=0.4)
            axis.plot(dot, y, shape, color=colour, markersize=5, label=name)
        axis.set(xscale="log", xlabel="milliseconds (logarithmic)")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.xaxis.set_major_formatter("{x:,g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", labelsize=7)
        axis.set_title(MEASURES[measure], fontsize=10, loc="left")
    lanes(axes[0, 0], list(panels))
    return finish(picture, axes[0, 0])


def draw_growth(
    comparisons: Mapping[str, pd.DataFrame],
    size: str,
    title: str,
    measures: Sequence[str] = ("own", "whole"),
) -> Picture:
    """Draw how measures grow with `tests`, `revisions` or `tables`: a point for each round.

    The lines lead through the medians. Each comparison has a panel for each measure, all one scale.
    """
    along = {name: figures.along(found, size) for name, found in comparisons.items()}
    alt = " ".join(f"{name}: {in_words(found, *measures)}" for name, found in along.items())
    panels = list(product(along.items(), measures))
    picture, axes = start(title, alt, 1, len(panels), 3.6, sharey=True)
    names = dict.fromkeys(pd.concat(along.values()).strategy)
    look = dict(zip(names, cycle(STYLES), strict=False))
    for axis, ((name, found), measure) in zip(axes[0], panels, strict=True):
        points = sessions(found)[measure].dropna() * 1000
        for strategy, values in points.groupby(level="strategy", sort=False):
            colour, shape = look[strategy]
            values.index = values.index.get_level_values(size)
            axis.plot(values, shape, color=colour, alpha=0.5)
            medians = values.groupby(level=0).median()
            axis.plot(medians, f"{shape}-", color=colour, label=strategy)
        of = f"{name}, {found['round'].nunique()} rounds: {MEASURES[measure]}"
        axis.set_title(of, fontsize=10, loc="left")
        axis.set_xlabel(size)
        axis.yaxis.set_major_formatter("{x:,g}")
        axis.grid(axis="y", alpha=0.3)
    axes[0, 0].set(ylim=(0, None), ylabel="milliseconds")
    return finish(picture, axes[0, 0])


def finding(found: pd.DataFrame) -> str:
    """Say which strategy costs least per test, or else most, if all rounds agree on it."""
    own = sessions(found).own.unstack("strategy").dropna(axis=1)
    if found["round"].nunique() >= figures.ENOUGH:
        for word, first in (("least", own.idxmin(axis=1)), ("most", own.idxmax(axis=1))):
            if len(own.columns) > 1 and first.nunique() == 1:
                return f"{first.iloc[0]} costs {word} per test"
    return "What a test costs"


def in_words(found: pd.DataFrame, *measures: str) -> str:
    """Say each strategy's medians over the workloads, from the lowest to the highest."""
    said = []
    for measure in measures or ("own", "whole"):
        medians = spread(sessions(found)[measure])["median"].dropna()
        ends = medians.groupby(level="strategy", sort=False).agg(["min", "max"]).map(duration)
        texts = [f"{name} {' to '.join(dict.fromkeys(row))}" for name, *row in ends.itertuples()]
        said.append(f"{MEASURES[measure].capitalize()}: {', '.join(texts)}.")
    return " ".join(said)
