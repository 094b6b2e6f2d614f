"""The exchange on which most rules are tried; a module that needs another has its own fixture."""

import pytest

from tests.unit.transition.exchange import Exchange
from tests.vectors.cases import funded


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange of three people with a thousand dollars each, all marks at 100."""
    return funded()
