"""The API's description: ``/openapi.json`` (OpenAPI 3.1) and ``/docs``, a page made from it.

Owns how routes and structs become a document; refuses to know anything that is not in them, so it cannot go stale.
The page is plain HTML without a script and loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from functools import cache
from inspect import getdoc
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from appliance.api.call import Blob, Call
from appliance.api.problems import Problem

if TYPE_CHECKING:
    from appliance.api.routes import Route

_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "public": [],
    "optional": [{}, {"bearer": []}, {"cookie": []}],
    "user": [{"bearer": []}, {"cookie": []}],
    "admin": [{"bearer": []}, {"cookie": []}],
    "token": [{"bearer": []}],
}

_STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;text-transform:capitalize}details{border:1px solid #8884;border-radius:.5rem;margin:.5rem 0}
summary{cursor:pointer;padding:.5rem .75rem}details>div{padding:0 1rem 1rem}
code,pre{font:14px/1.45 ui-monospace,monospace}
pre{overflow:auto;background:#8881;padding:.75rem;border-radius:.5rem}b{display:inline-block;min-width:4.2rem}
.old{opacity:.6}.who{float:right;opacity:.7}
"""


async def document(call: Call) -> Blob:
    """This description of the API, as OpenAPI 3.1."""
    return Blob(content=_document_bytes(call.services.version), media_type="application/json")


async def page(call: Call) -> Blob:
    """This description of the API, for people."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return Blob(
        content=_page_bytes(call.services.version),
        media_type="text/html; charset=utf-8",
        headers={
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
            "frame-ancestors 'none'; form-action 'none'"
        },
    )


@cache
def _document_bytes(version: str) -> bytes:
    return msgspec.json.encode(build_document(_routes(), version))


@cache
def _page_bytes(version: str) -> bytes:
    return build_page(build_document(_routes(), version)).encode()


def _routes() -> Sequence[Route]:
    # Here and not above: the routes name this module's handlers.
    from appliance.api.routes import ROUTES

    return ROUTES


def build_document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes."""
    types: list[Any] = [Problem]
    for route in routes:
        types += [shape for shape in (route.body, route.query, route.sent) if shape is not None]
        types += _alternatives(route.answer)
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for path in (route.path, *route.aliases):
            operation = _operation(route, path, schema_of, components)
            paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parley",
            "version": version,
            "description": "Every JSON answer is an envelope: code, message and data; every refusal a Problem.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "parley_access",
                    "description": "Writes also need the header X-CSRF-Token.",
                },
            },
            "responses": {
                "Problem": {
                    "description": "A refusal; the status is in code, the machine code in error.",
                    "content": {"application/json": {"schema": schema_of[Problem]}},
                }
            },
        },
    }


def _operation(
    route: Route, path: str, schema_of: dict[Any, dict[str, Any]], components: dict[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route, path),
        "tags": [route.tag],
        "summary": (getdoc(route.handler) or "").split("\n\n")[0].replace("\n", " "),
        "security": _SECURITY[route.access],
        "responses": {
            str(route.status): _success(route, schema_of),
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if path != route.path:
        operation["description"] = f"An older name of {route.path}."
    if path != route.path or route.deprecated:
        operation["deprecated"] = True
    names = [part.partition("}")[0] for part in path.split("{")[1:]]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    query = components[route.query.__name__]
    for name, schema in query.get("properties", {}).items():
        required = name in query.get("required", [])
        parameters.append({"name": name, "in": "query", "required": required, "schema": schema})
    if parameters:
        operation["parameters"] = parameters
    if route.upload:
        image = {"type": "string", "format": "binary"}
        form = {"type": "object", "properties": {"avatar": image}, "required": ["avatar"]}
        content = {"multipart/form-data": {"schema": form}, "image/*": {"schema": image}}
        operation["requestBody"] = {"required": True, "content": content}
    elif route.stream is not None:
        sent = None if route.sent is None else components[route.sent.__name__]
        content = {media_type: _streamed(media_type, sent) for media_type in route.stream}
        if route.sent is not None:
            content["application/json"] = {"schema": schema_of[route.sent]}
        operation["requestBody"] = {"content": content}
    elif route.content is not None:
        operation["requestBody"] = {"required": True, "content": {route.content: {"schema": {"type": "string"}}}}
    elif route.body is not None:
        required = bool(components[route.body.__name__].get("properties"))
        content = {"application/json": {"schema": schema_of[route.body]}}
        operation["requestBody"] = {"required": required, "content": content}
    return operation


def _operation_id(route: Route, path: str) -> str:
    base = f"{route.tag}_{route.handler.__name__}"
    # Handlers that serve one path only lend it their name.
    several = route.tag == "streams" or path.startswith("/health") or path == "/api/v1/rooms/stats"
    if path == route.path and not several:
        return base
    return f"{base}_{path.strip('/').replace('/', '_').replace('-', '_')}"


def _streamed(media_type: str, sent: dict[str, Any] | None) -> dict[str, Any]:
    """``sent``: the schema of the same in JSON; what is base64 there is a file of a form."""
    content: dict[str, Any] = {"type": "string", "format": "binary"}
    if media_type == "multipart/form-data" and sent is not None:
        fields = {name: content if name in ("audio", "image") else field for name, field in sent["properties"].items()}
        content = {**sent, "properties": fields}
    elif media_type == "multipart/form-data":
        fields = {"file": content, "name": {"type": "string"}, "meeting_id": {"type": "string"}}
        content = {"type": "object", "properties": fields, "required": ["file"]}
    return {"schema": content}


def _success(route: Route, schema_of: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    if route.answer is None:
        return {"description": "The content itself, no envelope.", "content": {"*/*": {}}}
    shapes = [schema_of[shape] for shape in _alternatives(route.answer)]
    envelope = {
        "type": "object",
        "required": ["code", "message", "data"],
        "properties": {
            "code": {"const": 200},
            "message": {"const": "success"},
            "data": shapes[0] if len(shapes) == 1 else {"anyOf": shapes},
        },
    }
    return {"description": "Success.", "content": {"application/json": {"schema": envelope}}}


def _alternatives(answer: Any) -> list[Any]:
    """The structs that an answer may hold; msgspec describes each, but not their untagged union."""
    if answer is None:
        return []
    return list(get_args(answer)) if isinstance(answer, UnionType) else [answer]


def build_page(spec: dict[str, Any]) -> str:
    """The document as one HTML page."""
    groups: dict[str, list[str]] = {}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append(_entry(path, method, operation))
    parts = [f"<h2>{html.escape(tag)}</h2>\n" + "\n".join(entries) for tag, entries in groups.items()]
    parts.append("<h2>schemas</h2>")
    for name, schema in sorted(spec["components"]["schemas"].items()):
        parts.append(
            f'<details id="{html.escape(name)}"><summary><code>{html.escape(name)}</code></summary>'
            f"<div>{_json(schema)}</div></details>"
        )
    info = spec["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(info['title'])} API</title><style>{_STYLE}</style></head><body>"
        f"<h1>{html.escape(info['title'])} API <small>{html.escape(info['version'])}</small></h1>"
        f"<p>{html.escape(info['description'])} For programs: <a href=\"/openapi.json\">/openapi.json</a>.</p>"
        + "\n".join(parts)
        + "</body></html>"
    )


def _entry(path: str, method: str, operation: dict[str, Any]) -> str:
    old = operation.get("deprecated", False)
    security = operation["security"]
    who = "everybody" if not security or {} in security else "signed in"
    blocks = []
    if operation.get("parameters"):
        rows = "".join(
            f"<li><code>{html.escape(p['name'])}</code> ({p['in']}) {_json(p['schema'])}</li>"
            for p in operation["parameters"]
        )
        blocks.append(f"<h4>Parameters</h4><ul>{rows}</ul>")
    if "requestBody" in operation:
        blocks.append(f"<h4>Body</h4>{_json(operation['requestBody']['content'])}")
    blocks.append(f"<h4>Answer</h4>{_json(next(iter(operation['responses'].values())).get('content', {}))}")
    return (
        f'<details{" class=old" if old else ""}><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> '
        f'<span class="who">{who}</span><br>{html.escape(operation["summary"])}{" (deprecated)" if old else ""}'
        f"</summary><div>{''.join(blocks)}</div></details>"
    )


def _json(value: Any) -> str:
    return f"<pre>{html.escape(msgspec.json.format(msgspec.json.encode(value)).decode())}</pre>"
