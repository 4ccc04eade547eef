"""Pictures of what a Recorder has recorded."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from project.timing.recorder import Recorder

# Colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#BBBBBB"


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
