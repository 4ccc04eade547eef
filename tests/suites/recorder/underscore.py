import pytest


@pytest.fixture
def _does_the_work():
    pass


def test_uses_it(_does_the_work):
    pass
