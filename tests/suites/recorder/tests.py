import time

import pytest


@pytest.fixture
def slow():
    time.sleep(0.04)
    yield
    time.sleep(0.02)


@pytest.fixture
def faulty(request):
    yield
    assert "faulty" not in request.node.name, "left something behind"


def test_passes(slow, faulty):
    time.sleep(0.01)


def test_fails(faulty):
    count = 2
    assert count == 1


def test_faulty(faulty):
    pass
