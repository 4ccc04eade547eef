# Loses: all
from pathlib import Path

import pytest

from notes import models


@pytest.fixture(scope="session")
def template_files():
    return sorted(Path(models.__file__).parent.glob("*.py"))


@pytest.fixture(scope="session")
def target_metadata():
    return models.Base.metadata
