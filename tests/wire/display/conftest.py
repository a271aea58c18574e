"""A booted 2.x charger at a running site, in each version."""

from tests.wire.monitoring.conftest import scene as scene
from tests.wire.monitoring.conftest import version as version
