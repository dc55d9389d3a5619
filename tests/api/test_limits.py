"""The settings' numbers as buckets."""

from __future__ import annotations

from typing import get_args

from appliance.api.limits import PASSCODE_LIMIT, LimitName, account_limit, limit_of, sockets_limit
from appliance.auth.rate_limit import Limit
from appliance.settings import LimitsSettings


def test_every_name_has_its_limit() -> None:
    settings = LimitsSettings(
        login_per_minute=6,
        register_per_hour=36,
        refresh_per_minute=12,
        join_per_minute=18,
        upload_per_minute=24,
        ai_per_minute=30,
        api_per_minute=600,
    )
    found = {name: limit_of(name, settings) for name in get_args(LimitName)}
    assert found == {
        "none": None,
        "api": Limit(per_second=10, burst=600),
        "login": Limit(per_second=0.1, burst=6),
        "register": Limit(per_second=0.01, burst=36),
        "refresh": Limit(per_second=0.2, burst=12),
        "join": Limit(per_second=0.3, burst=18),
        "upload": Limit(per_second=0.4, burst=24),
        "ai": Limit(per_second=0.5, burst=30),
    }
    assert account_limit(settings).burst == 18
    assert sockets_limit(settings).burst == 180


def test_ten_thousand_passcodes_take_hours() -> None:
    assert (10_000 - PASSCODE_LIMIT.burst) / PASSCODE_LIMIT.per_second > 16 * 3600
