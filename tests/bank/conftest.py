"""Tasks shared by the tests of banks."""

import pytest
from banks import TASKS
from banks import task


@pytest.fixture
def tasks(twelve_classes):
    return {name: task(twelve_classes, name) for name in TASKS}
