"""The project's own tests run as a reader's do: under an isolation strategy, as a plugin."""

import pytest

pytest_plugins = ["project.testing.session_level"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "error")
