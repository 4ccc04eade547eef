"""The guards, wired into pytest: around each `migrate_db`, and around each test."""

import logging
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import pytest

from .. import STRATEGIES
from .errors import stop
from .names import DsnPair
from .proof import only_on

PACKAGE = __name__.removesuffix("database.guards")  # with the dot at its end

# What each `keep_out` has refused and no test has failed for.
REFUSED = pytest.StashKey[list[list[str]]]()
ENDED = pytest.StashKey[str]()
SAID = pytest.StashKey[set[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Let any `migrate_db`, also one of your own, migrate the run's own database alone.

    Finalizers run last in, first out: the guard goes up before the fixture's own tear-down.
    """
    if fixturedef.argname != "migrate_db":
        return (yield)
    pair: DsnPair = request.getfixturevalue("dsn_pair")
    tear_down = ExitStack()
    fixturedef.addfinalizer(tear_down.close)

    def guard_tear_down() -> None:
        tear_down.enter_context(loggers_as_they_were())
        tear_down.enter_context(only_on(pair))

    try:
        with loggers_as_they_were(), only_on(pair):
            return (yield)
    finally:
        fixturedef.addfinalizer(guard_tear_down)


@contextmanager
def loggers_as_they_were() -> Iterator[None]:
    """Undo what an env.py does to logging: `fileConfig` switches off every logger that exists."""
    root = logging.getLogger()
    known = [
        root,
        *(
            it
            for it in logging.Logger.manager.loggerDict.values()
            if isinstance(it, logging.Logger)
        ),
    ]
    before = [(it, it.level, it.disabled, it.propagate, list(it.handlers)) for it in known]
    try:
        yield
    finally:
        for logger, level, disabled, propagate, handlers in before:
            logger.setLevel(level)
            logger.disabled, logger.propagate, logger.handlers = disabled, propagate, handlers


def pytest_collection_finish(session: pytest.Session) -> None:
    """End the run where another plugin has a `db`, which replaces the strategy's.

    One in a conftest.py or in a test's module is meant, and stays.
    """
    if not any(session.config.pluginmanager.hasplugin(PACKAGE + name) for name in STRATEGIES):
        return
    for item in session.items:
        info = getattr(item, "_fixtureinfo", None)
        for fixture in info.name2fixturedefs.get("db", ())[-1:] if info else ():
            plugin = fixture.func.__module__
            if not fixture.baseid and not plugin.startswith(PACKAGE):
                stop(
                    f"The fixture `db` is that of the plugin {plugin}, not that of the strategy."
                    " Switch that plugin off (-p no:NAME), or name the strategy in the"
                    " pytest_plugins of your conftest.py."
                )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Hand on why the session ends: see `ending`."""
    return (yield from ending(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Hand on why the session ends: see `ending`."""
    return (yield from ending(item))


def ending(item: pytest.Item) -> Generator[None, None, None]:
    """Have `pytest.exit` end the session also where pytest alone would not.

    In a pytest-xdist worker it can't, and a second error beside it would hide it in a group.
    """
    try:
        return (yield)
    except (pytest.exit.Exception, BaseExceptionGroup) as error:
        found = exit_in(error)
        if found is None:
            raise
        if not hasattr(item.config, "workeroutput"):
            raise found from None  # pytest says it in its last line
        message = str(found)
        item.config.workeroutput["ended"] = message
        item.session.shouldfail = message
        raise pytest.fail.Exception(message, pytrace=False) from None


def exit_in(error: BaseException) -> BaseException | None:
    """Return the `pytest.exit` that an error is or holds."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(exit_in, error.exceptions)), None)
    return error if isinstance(error, pytest.exit.Exception) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that has tried to reach the original, though it has caught the refusal."""
    report = yield
    for refused in item.config.stash.get(REFUSED, []):
        if refused and report.outcome != "failed":
            report.outcome = "failed"
            report.longrepr = refused[0]
        refused.clear()
    return report


def say(config: pytest.Config, line: str) -> None:
    """Say something on the terminal, once, also from a pytest-xdist worker."""
    if hasattr(config, "workeroutput"):
        config.workeroutput.setdefault("said", []).append(line)
        return
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    said = config.stash.setdefault(SAID, set())
    if reporter and line not in said:
        capture = config.pluginmanager.get_plugin("capturemanager")
        # In a fixture pytest takes the output for the test's, and shows none of a test that passes.
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            reporter.ensure_newline()
            reporter.write_line(line, yellow=True)
            reporter.flush()
    said.add(line)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over from a pytest-xdist worker what it says, and why it has ended the session."""
    output = getattr(node, "workeroutput", {})
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    for line in output.get("said", ()):
        say(config, line)
    if "ended" in output:
        config.stash[ENDED] = output["ended"]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Say last of all why a pytest-xdist worker has ended the session."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and config.stash.get(ENDED, None):
        reporter.write_line(config.stash[ENDED], red=True, bold=True)
