"""What every test shares."""

import gc
from collections.abc import Iterator

import hypothesis
import pytest

# A deadline per example measures how busy the machine is. Examples are the same in each run, so that a
# failure on one machine is a failure on all.
hypothesis.settings.register_profile("headroom", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("headroom")


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    """Turn the garbage collector back on: commands that end their process turn it off."""
    yield
    gc.enable()
