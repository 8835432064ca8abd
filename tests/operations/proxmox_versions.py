"""The versions of Proxmox that the `world` of a test may be of."""

from __future__ import annotations

import pytest

both_versions = pytest.mark.parametrize("world", [pytest.param("8.4", marks=pytest.mark.slow), "9.2"], indirect=True)
