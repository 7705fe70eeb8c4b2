from __future__ import annotations

import pytest

from teikei.web import accounts, database


@pytest.fixture(scope="session", autouse=True)
def _cheap_secrets() -> None:
    """Argon2 with its smallest cost, so that tests need not wait for what only slows an attacker."""
    from argon2 import PasswordHasher

    database.SYNCHRONOUS = "OFF"  # no test of this process pulls the plug
    accounts._hasher.cache_clear()
    accounts._decoy.cache_clear()
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts._hasher = lambda: cheap  # type: ignore[assignment]
