#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.json against itself, the programs' tables, and what a server really answers.

openapi.py format FILE            writes it in its form (short objects on one line)
openapi.py check FILE             the rules of OpenAPI 3.1 that can be seen in the file
openapi.py contract FILE TABLES   TABLES is what tests/support/contract prints
openapi.py live FILE SOCKET GOLDEN [ID...]
    drives every operation of the server on SOCKET; every answer, and every golden file in
    the folder GOLDEN, must have the form that the file gives it, without any key more; and every
    key of the file must have been seen. ID: devices that have a history, which stay.
"""
import json
import re
import sys

from jsonschema import Draft202012Validator

from openapi_file import Wrong, at, body_kind, deref, operations, pretty, refs
from openapi_live import live

METHODS = ("get", "put", "post", "delete", "patch")

# ---- check: the structure ----

# What each object of OpenAPI 3.1 may have (and, with a star, must).
KEYS = {
    "document": "openapi* info* servers paths components tags jsonSchemaDialect",
    "info": "title* version* summary description termsOfService contact license",
    "license": "name* identifier url",
    "server": "url* description variables",
    "tag": "name* description externalDocs",
    "operation": "operationId* tags* summary* description parameters requestBody responses*",
    "parameter": "name* in* description required schema* style explode deprecated",
    "requestBody": "description content* required",
    "response": "description* headers content links",
    "header": "description required schema*",
    "media": "schema example examples encoding",
    "components": "schemas responses parameters headers requestBodies",
}


def keys_ok(kind, obj, where):
    if not isinstance(obj, dict):
        raise Wrong(f"{where}: not an object")
    allowed = {k.rstrip("*") for k in KEYS[kind].split()}
    needed = {k.rstrip("*") for k in KEYS[kind].split() if k.endswith("*")}
    for key in obj:
        if key not in allowed and not key.startswith("x-"):
            raise Wrong(f"{where}: {key} is no key of a {kind}")
    for key in needed - obj.keys():
        raise Wrong(f"{where}: {key} is missing")


def check_content(doc, content, where):
    for media in content.values():
        keys_ok("media", media, where)
        if "schema" in media:
            Draft202012Validator.check_schema(media["schema"])


def check_parameters(doc, path, op, where):
    seen = set()
    for p in op.get("parameters", []):
        p = deref(doc, p)
        keys_ok("parameter", p, where)
        name = (p["in"], p["name"])
        if name in seen:
            raise Wrong(f"{where}: {name} stands twice")
        seen.add(name)
        if p["in"] not in ("path", "query", "header"):
            raise Wrong(f"{where}: {p['name']}: in {p['in']}?")
        if p["in"] == "path" and p.get("required") is not True:
            raise Wrong(f"{where}: {p['name']} is in the path and not required")
        Draft202012Validator.check_schema(p["schema"])
    told = {name for place, name in seen if place == "path"}
    if told != set(re.findall(r"{([^}]*)}", path)):
        raise Wrong(f"{where}: the path's names are not its parameters")


def check_responses(doc, op, where):
    for status, response in op["responses"].items():
        if not re.fullmatch(r"[1-5][0-9][0-9]", status):
            raise Wrong(f"{where}: {status} is no status")
        response = deref(doc, response)
        keys_ok("response", response, f"{where} {status}")
        check_content(doc, response.get("content", {}), f"{where} {status}")
        for header in response.get("headers", {}).values():
            keys_ok("header", deref(doc, header), f"{where} {status}")


def check_unused(doc):
    used = set(refs(doc["paths"]))
    grown = True
    while grown:
        more = {r for u in used for r in refs(at(doc, u))}
        # of a pointer into a component, the component
        more |= {"/".join(u.split("/")[:4]) for u in used}
        grown = not more <= used
        used |= more
    for kind, rows in doc["components"].items():
        for name in rows:
            if f"#/components/{kind}/{name}" not in used:
                raise Wrong(f"components/{kind}/{name}: nobody uses it")


def check(doc):
    keys_ok("document", doc, "document")
    keys_ok("info", doc["info"], "info")
    keys_ok("license", doc["info"]["license"], "license")
    keys_ok("components", doc["components"], "components")
    if not re.fullmatch(r"3\.1\.\d+", doc["openapi"]):
        raise Wrong(f"openapi: {doc['openapi']} is not 3.1.x")
    for server in doc["servers"]:
        keys_ok("server", server, "server")
    for tag in doc["tags"]:
        keys_ok("tag", tag, "tag")
    for pointer in set(refs(doc)):
        try:
            at(doc, pointer)
        except (KeyError, TypeError):
            raise Wrong(f"{pointer}: leads nowhere") from None
    for name, schema in doc["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise Wrong(f"{name}: no name of a component")
    tags = {t["name"] for t in doc["tags"]}
    ids = set()
    shapes = set()
    for path, item in doc["paths"].items():
        shape = re.sub(r"{[^}]*}", "*", path)
        if shape in shapes or not path.startswith("/"):
            raise Wrong(f"{path}: twice, or not from the root")
        shapes.add(shape)
        for method, op in item.items():
            where = f"{method} {path}"
            if method not in METHODS:
                raise Wrong(f"{where}: no method")
            keys_ok("operation", op, where)
            if op["operationId"] in ids or not set(op["tags"]) <= tags:
                raise Wrong(f"{where}: operationId twice, or a tag that is not told")
            ids.add(op["operationId"])
            check_parameters(doc, path, op, where)
            check_responses(doc, op, where)
            if "requestBody" in op:
                keys_ok("requestBody", op["requestBody"], where)
                check_content(doc, op["requestBody"]["content"], where)
    check_unused(doc)
    return f"{len(ids)} operations, {len(doc['components']['schemas'])} schemas"


# ---- contract: the programs' tables ----


def same(what, server, told):
    server, told = set(server), set(told)
    if server - told:
        raise Wrong(f"{what}: the file lacks {sorted(server - told)}")
    if told - server:
        raise Wrong(f"{what}: the programs do not have {sorted(told - server)}")


def contract(doc, tables):
    told = {}
    for method, path, op in operations(doc):
        params = [deref(doc, p) for p in op.get("parameters", [])]
        key = f"{method.upper()} {re.sub(r'{[^}]*}', '*', path)} {body_kind(op)}"
        told[key] = {p["name"] for p in params if p["in"] == "query" or p["name"] == "If-Match"}
    rows = {
        f"{r['method']} {r['path']} {r['body']}": r["query"] + ["If-Match"] * r["matches"]
        for r in tables["routes"]
    }
    same("routes", rows, told)
    for row, query in rows.items():
        same(f"query of {row}", query, told[row])
    schemas = doc["components"]["schemas"]
    for name, words in tables["words"].items():
        same(f"words of {name}", words, schemas[name]["enum"])
    topics = re.fullmatch(r"\((.*)\)\$", schemas["Event"]["properties"]["topic"]["pattern"])
    same("topics", tables["topics"], topics[1].split("|"))
    policy = schemas["Policy"]["properties"]
    same("settings", [p["name"] for p in tables["policy"]], policy)
    for row in tables["policy"]:
        has = policy[row["name"]]
        if (has["minimum"], has["maximum"], has["default"]) != (row["min"], row["max"], row["default"]):
            raise Wrong(f"policy {row['name']}: {has} is not {row}")
        if has["description"] != row["help"]:
            raise Wrong(f"policy {row['name']}: told as {has['description']}")
    same("settings to change", policy, schemas["PolicyChange"]["properties"])
    for pointer, number in tables["limits"].items():
        if at(doc, pointer) != number:
            raise Wrong(f"{pointer} is {at(doc, pointer)}, the programs have {number}")
    return f"{len(rows)} routes, {len(tables['words'])} lists of words"


def main(args):
    try:
        with open(args[1], encoding="ascii") as f:
            doc = json.load(f)
        if args[0] == "format":
            with open(args[1], "w", encoding="ascii") as f:
                f.write(pretty(doc))
        elif args[0] == "check":
            print(check(doc))
        elif args[0] == "contract":
            with open(args[2], encoding="ascii") as f:
                print(contract(doc, json.load(f)))
        elif args[0] == "live":
            print(live(doc, args[2], args[3], args[4:]))
        else:
            raise IndexError
    except IndexError:
        sys.exit(__doc__)
    except Wrong as why:
        sys.exit(f"openapi.py: {why}")


if __name__ == "__main__":
    main(sys.argv[1:])
