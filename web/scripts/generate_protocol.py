"""Writes src/lib/protocol/messages.ts from the structs of appliance/signaling/messages.py; --check only compares.

Owns the translation of msgspec types to TypeScript; refuses to know what the messages mean. The module is
imported from this checkout and needs neither an installed package nor the Rust module: Python with msgspec is enough.
"""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec.inspect as shapes

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "web" / "src" / "lib" / "protocol" / "messages.ts"

BASES = """\
/** What every message of a client has. */
export interface Asked {
  /** Comes back in the `error` or the answer that the message caused. */
  ref?: string | null;
}

/** What every message of the server has. */
export interface Told {
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}
"""

HEADER = """\
// Generated from appliance/signaling/messages.py by scripts/generate_protocol.py; do not edit.
// `npm run protocol` writes it again, `python3 scripts/generate_protocol.py --check` says whether it is current.
"""


def load_messages() -> ModuleType:
    """The messages module of this checkout."""
    sys.path.insert(0, str(ROOT))
    return importlib.import_module("appliance.signaling.messages")


def type_text(shape: shapes.Type) -> str:
    """TypeScript for one msgspec type."""
    match shape:
        case shapes.StructType(cls=cls):
            return cls.__name__
        case shapes.ListType(item_type=item):
            inner = type_text(item)
            return f"({inner})[]" if " | " in inner else f"{inner}[]"
        case shapes.LiteralType(values=values):
            return " | ".join(f"'{value}'" for value in values)
        case shapes.UnionType(types=types):
            return " | ".join(type_text(member) for member in types)
        case shapes.StrType():
            return "string"
        case shapes.IntType() | shapes.FloatType():
            return "number"
        case shapes.BoolType():
            return "boolean"
        case shapes.NoneType():
            return "null"
    raise TypeError(f"no TypeScript for {shape!r}")


def interface_text(shape: shapes.StructType, *, from_client: bool) -> str:
    """One interface. A field with a default may be left out by the client; the server always sends every field."""
    base = "" if shape.tag is None else (" extends Asked" if from_client else " extends Told")
    lines = [f"export interface {shape.cls.__name__}{base} {{"]
    if shape.tag is not None:
        lines.append(f"  type: '{shape.tag}';")
    for field in shape.fields:
        if from_client and shape.tag is not None and field.name == "ref":
            continue
        optional = "?" if from_client and not field.required else ""
        lines.append(f"  {field.encode_name}{optional}: {type_text(field.type)};")
    lines.append("}")
    return "\n".join(lines)


def collect(shape: shapes.Type, found: dict[str, shapes.StructType]) -> None:
    """Every struct reachable from a type, inner ones first."""
    match shape:
        case shapes.StructType(cls=cls, fields=fields):
            if cls.__name__ in found:
                return
            for field in fields:
                collect(field.type, found)
            found[cls.__name__] = shape
        case shapes.ListType(item_type=item):
            collect(item, found)
        case shapes.UnionType(types=types):
            for member in types:
                collect(member, found)


def union_text(name: str, union: shapes.UnionType) -> str:
    members = textwrap.fill(
        " | ".join(type_text(member) for member in union.types), 110, initial_indent="  ", subsequent_indent="  "
    )
    return f"export type {name} =\n{members};"


def generate() -> str:
    """The whole TypeScript file."""
    messages = load_messages()
    aliases: dict[str, Any] = {n: getattr(messages, n) for n in ("Source", "VideoSource", "Role", "Kind")}
    parts = [HEADER, BASES]
    parts += [f"export type {name} = {type_text(shapes.type_info(kind))};" for name, kind in aliases.items()]
    for union_name, from_client in (("AnyClientMessage", True), ("AnyServerMessage", False)):
        union = shapes.type_info(getattr(messages, union_name))
        if not isinstance(union, shapes.UnionType):
            raise TypeError(f"{union_name} is not a union")
        found: dict[str, shapes.StructType] = {}
        collect(union, found)
        parts += [interface_text(shape, from_client=from_client) for shape in found.values()]
        parts.append(union_text(union_name, union))
    types = sorted(str(s.tag) for s in shapes.type_info(messages.AnyServerMessage).types)  # type: ignore[attr-defined]
    parts.append("export const SERVER_TYPES: readonly string[] = [\n" + "".join(f"  '{t}',\n" for t in types) + "];")
    text = "\n\n".join(parts) + "\n"
    return re.sub(r"\n{3,}", "\n\n", text)


def main(arguments: list[str]) -> int:
    """Write the file, or with --check exit 1 when the committed one is out of date."""
    text = generate()
    if "--check" in arguments:
        current = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
        if current != text:
            print("web/src/lib/protocol/messages.ts is out of date: run `npm run protocol` in web/", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
