"""What every test shares."""

import hypothesis

# A deadline per example measures how busy the machine is. Examples are the same in each run, so that a
# failure on one machine is a failure on all.
hypothesis.settings.register_profile("headroom", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("headroom")
