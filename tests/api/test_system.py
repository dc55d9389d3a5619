"""Info, health, readiness, metrics, statistics."""

from __future__ import annotations

from pathlib import Path

from appliance.settings import HttpSettings
from tests.support.api_server import ApiServer, serving, settings_for


def test_what_a_client_must_know(api: ApiServer) -> None:
    assert api.request("GET", "/info").data == {
        "name": "Parley",
        "version": "0.0.test",
        "registration": "open",
        "guests_allowed": True,
        "setup_needed": True,
        "password_min_length": 8,
        "languages": ["en", "zh-CN"],
    }


def test_health_and_readiness(api: ApiServer) -> None:
    for path in ("!/health", "/health"):
        assert api.request("GET", path).data == {"status": "ok", "version": "0.0.test"}
    assert api.request("GET", "!/ready").data == {
        "status": "ready",
        "database": api.services.database.dialect,
    }


def test_metrics_count_patterns_not_paths(api: ApiServer) -> None:
    ann = api.user("ann")
    for n in range(3):
        ann.get(f"/users/usr_{n}")
    api.request("GET", "/nothing/here")
    text = api.request("GET", "!/metrics").body.decode()
    assert 'http_requests_total{method="GET",route="/api/v1/users/{user_id}",status="404"} 3.0' in text
    assert 'route="none",status="404"' in text and "nothing/here" not in text and "usr_" not in text
    assert "http_request_duration_seconds_bucket" in text


def test_metrics_are_for_private_networks_and_administrators(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path, http=HttpSettings(port=0, trusted_proxies=["127.0.0.1"]))) as server:
        root, outside = server.admin(), {"X-Forwarded-For": "8.8.8.8"}
        assert server.request("GET", "!/metrics", headers=outside).code == "forbidden"
        assert server.request("GET", "!/metrics", headers=outside, token=server.user("ann").token).status == 403
        assert server.request("GET", "!/metrics", headers=outside, token=root.token).status == 200
        assert server.request("GET", "!/metrics", headers={"X-Forwarded-For": "10.1.2.3"}).status == 200


def test_statistics(api: ApiServer) -> None:
    root = api.admin()
    root.post("/meetings")
    for path in ("/stats", "/rooms/stats"):
        data = root.get(path).data
        assert data["meetings"]["scheduled"] >= 1 and data["users_signed_in"] >= 1
        assert data["live"]["sockets"] == 0 and data["database"]["transactions"] > 1
        assert data["passwords"] == {"running": 0, "waiting": 0} and data["rate_limits"]["buckets"] >= 1
