"""What every test shares: hypothesis draws the same examples in every run.

A red build must be red again on the next machine, so examples are derived from the test itself and
not from the clock. ``pytest --hypothesis-profile=explore`` looks for new ones: it prints how to
reproduce what it finds, and the case is then added with ``@example``.
"""

import gc
import os

# As on the command line: read when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import HealthCheck, settings

settings.register_profile(
    "deterministic",
    derandomize=True,
    # Without a database, no example of an earlier run can change this one.
    database=None,
    # A busy machine is no fault of the code; the timeout of pytest catches a hang.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile(
    "explore",
    derandomize=False,
    deadline=None,
    max_examples=2_000,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("deterministic")


def pytest_collection_finish() -> None:
    """Keep what stays for the whole run out of the sight of the collector.

    A run holds half a gigabyte of modules and tests: to look through them takes a second each time.
    """
    gc.collect()
    gc.freeze()
