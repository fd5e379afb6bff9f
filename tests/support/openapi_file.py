# SPDX-License-Identifier: Apache-2.0
"""What openapi.py and openapi_live.py share: the file, its form and its references."""
import json


class Wrong(Exception):
    """What is wrong, for people."""


def pretty(value, indent=0, width=100):
    """JSON with tabs; what fits stands on one line."""
    flat = json.dumps(value, ensure_ascii=True)
    if not isinstance(value, (dict, list)) or len(flat) + 8 * indent <= width:
        return flat + ("" if indent else "\n")
    tab = "\t" * (indent + 1)
    if isinstance(value, dict):
        rows = [tab + json.dumps(k) + ": " + pretty(v, indent + 1) for k, v in value.items()]
        ends = "{}"
    else:
        rows = [tab + pretty(v, indent + 1) for v in value]
        ends = "[]"
    text = ends[0] + "\n" + ",\n".join(rows) + "\n" + "\t" * indent + ends[1]
    return text + ("" if indent else "\n")


def at(doc, pointer):
    for part in pointer.lstrip("#/").split("/"):
        doc = doc[part.replace("~1", "/").replace("~0", "~")]
    return doc


def deref(doc, node):
    while isinstance(node, dict) and "$ref" in node:
        node = at(doc, node["$ref"])
    return node


def operations(doc):
    for path, item in doc["paths"].items():
        for method, op in item.items():
            yield method, path, op


def refs(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


def body_kind(op):
    content = op.get("requestBody", {}).get("content", {})
    if "application/x-ndjson" in content:
        return "lines"
    return "image" if "application/octet-stream" in content else "json"
