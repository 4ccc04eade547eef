import time

import pytest


@pytest.fixture(scope="session")
def create_test_db():
    time.sleep(0.08)
    yield
    time.sleep(0.02)


@pytest.fixture(scope="module")
def of_the_module():
    time.sleep(0.06)


@pytest.fixture(scope="class")
def of_the_class():
    yield
    time.sleep(0.04)


@pytest.fixture
def migrate_db(create_test_db, of_the_module, of_the_class):
    time.sleep(0.06)
    yield
    time.sleep(0.02)


@pytest.fixture
def inner():
    time.sleep(0.06)


@pytest.fixture
def db(migrate_db, request):
    request.getfixturevalue("inner")
    time.sleep(0.02)


@pytest.mark.parametrize("number", range(3))
def test_sleep(db, number):
    time.sleep(0.04)
