"""The description of the API is whole, consistent and self-contained."""

from __future__ import annotations

import json
import re
from typing import Any

from appliance.api.openapi import build_document, build_page
from appliance.api.routes import ROUTES
from tests.support.api_server import ApiServer


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if "$ref" in value else set()
        return found.union(*(references(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(references(item) for item in value))
    return set()


def test_every_route_is_in_it_and_every_reference_leads_somewhere() -> None:
    document = build_document(ROUTES, "1.2.3")
    assert document["openapi"] == "3.1.0" and document["info"]["version"] == "1.2.3"
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(route.method, path) for route in ROUTES for path in (route.path, *route.aliases)}
    for reference in references(document):
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def test_an_operation_says_what_it_takes_and_gives() -> None:
    paths = build_document(ROUTES, "1")["paths"]
    listed = paths["/api/v1/meetings"]["get"]
    assert {p["name"] for p in listed["parameters"]} == {"mine", "status", "limit", "cursor"}
    assert listed["security"] == [{"bearer": []}, {"cookie": []}]
    kick = paths["/api/v1/meetings/{meeting_id}/participants/{uid}/kick"]["post"]
    assert [p["name"] for p in kick["parameters"]] == ["meeting_id", "uid"]
    assert kick["requestBody"]["required"] is False
    login = paths["/api/v1/auth/login"]["post"]
    assert login["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/LoginBody"}
    assert login["security"] == [] and login["responses"]["default"]["$ref"].endswith("Problem")
    assert paths["/api/v1/login"]["post"]["deprecated"] is True
    assert "multipart/form-data" in paths["/api/v1/upload-avatar"]["post"]["requestBody"]["content"]


def test_who_may_download_is_described() -> None:
    document = build_document(ROUTES, "1")
    schemas = document["components"]["schemas"]
    for body in ("CreateMeetingBody", "UpdateMeetingBody"):
        for part in ("description", "properties"):
            assert "recording_download" in schemas[body][part], (body, part)
    assert "no copy protection" in schemas["CreateMeetingBody"]["description"]
    assert "``download``" in schemas["ShareBody"]["description"]
    assert "download" in schemas["ShareLink"]["properties"]


def test_a_question_to_a_model_may_be_sent_in_three_ways() -> None:
    asked = build_document(ROUTES, "1")["paths"]["/api/v1/ai/asr"]["post"]
    content = asked["requestBody"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/AsrBody"}
    form = content["multipart/form-data"]["schema"]
    assert form["required"] == ["audio"] and form["properties"]["audio"] == {"type": "string", "format": "binary"}
    assert content["audio/*"]["schema"] == {"type": "string", "format": "binary"}
    options = {parameter["name"] for parameter in asked["parameters"]}
    assert options == {"model", "format", "sample_rate", "channels", "language"} == set(form["properties"]) - {"audio"}


def test_the_page_loads_nothing_and_runs_nothing(plain: ApiServer) -> None:
    page = plain.request("GET", "!/docs")
    text = page.body.decode()
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    assert "<script" not in text and not re.search(r"(src|href)=[\"']?(https?:)?//", text)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for path in ("/api/v1/auth/login", "/api/v1/meetings/{meeting_id}/join"):
        assert path in text
    served = json.loads(plain.request("GET", "!/openapi.json").body)
    assert served == json.loads(json.dumps(build_document(ROUTES, "0.0.test")))
    assert build_page(served) == text


def test_texts_in_the_page_are_escaped() -> None:
    document = build_document(ROUTES, "<script>alert(1)</script>")
    assert "<script>" not in build_page(document)
