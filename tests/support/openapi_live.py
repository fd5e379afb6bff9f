# SPDX-License-Identifier: Apache-2.0
"""Drives every operation of a server and holds each answer against docs/openapi.json."""
import datetime
import glob
import http.client
import http.server
import json
import re
import socket
import threading
import time
import urllib.parse

from jsonschema import Draft202012Validator

from openapi_file import Wrong, body_kind, deref, operations

# ---- answers: strict, and with a note of what was seen ----


def strict(node):
    """The same schemas, but no object may have a key that is not told."""
    if isinstance(node, list):
        return [strict(n) for n in node]
    if not isinstance(node, dict):
        return node
    made = {k: strict(v) for k, v in node.items()}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


# A CA on P-256 whose private key nobody has.
# Ed25519: any 32 bytes would do
PUBLIC_PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=
-----END PUBLIC KEY-----
"""
CA_PEM = """-----BEGIN CERTIFICATE-----
MIIBejCCASGgAwIBAgIUZ1sSqigcSai2AN2/gr1vA1pOtJIwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjMwODIyMzBaGA8yMTI2MTAzMDA4
MjIzMFowEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABHsvxksnjMZ8rESf2LV5RHDBZFlkTy0larEPpa5NbYCf8q1bSYXevRC2scom
3jJYRd/g8b6j/D+hejzUdPK7WLyjUzBRMB0GA1UdDgQWBBSru3xU4dq5x1oJCtcA
E5fR+uxqCDAfBgNVHSMEGDAWgBSru3xU4dq5x1oJCtcAE5fR+uxqCDAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIDozwp4VJYwy2VHUPdbSt3d1NAkM
k2XGS/hADzSJnl/6AiBdgOJEXy8edstCA3v7OOVZycEZ2qq1xcilglEky0qi9A==
-----END CERTIFICATE-----
"""

class Judge:
    def __init__(self, doc):
        self.doc = doc
        self.strict = strict(doc["components"])
        self.seen = set()  # (id of a schema, key)
        self.statuses = set()  # (operationId, status)
        self.made = {}

    def valid(self, schema, value):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.made:
            self.made[key] = Draft202012Validator({**strict(schema), "components": self.strict})
        return list(self.made[key].iter_errors(value))

    def note(self, schema, value):
        schema = deref(self.doc, schema)
        if not isinstance(schema, dict):
            return
        for branch in schema.get("anyOf", []) + schema.get("oneOf", []):
            if not self.valid(branch, value):
                self.note(branch, value)
        if isinstance(value, dict):
            for key, item in value.items():
                if key in schema.get("properties", {}):
                    self.seen.add((id(schema), key))
                    self.note(schema["properties"][key], item)
        if isinstance(value, list):
            for item in value:
                self.note(schema.get("items"), item)

    def judge(self, schema, value, where):
        errors = self.valid(schema, value)
        if errors:
            lines = [f"  {e.json_path}: {e.message[:300]}" for e in errors]
            lines += [f"    {c.json_path}: {c.message[:200]}" for e in errors for c in e.context or []]
            raise Wrong(f"{where}:\n" + "\n".join(lines[:20]))
        self.note(schema, value)

    def find(self, method, path):
        """The operation, None; or the methods that the path has."""
        want = path.split("/")
        found = []
        for template, item in self.doc["paths"].items():
            have = template.split("/")
            if len(have) == len(want) and all(
                h == w or (h.startswith("{") and w) for h, w in zip(have, want)
            ):
                found.append((sum(h.startswith("{") for h in have), template, item))
        if not found:
            return None, []
        item = min(found, key=lambda row: row[0])[2]
        return item.get(method.lower()), [m.upper() for m in item]

    def judge_query(self, op, query, where):
        params = [deref(self.doc, p) for p in op.get("parameters", [])]
        params = {p["name"]: p for p in params if p["in"] == "query"}
        for name, values in urllib.parse.parse_qs(query).items():
            schema = deref(self.doc, params[name]["schema"])
            for value in values:
                if schema.get("type") == "integer":
                    self.judge(schema, int(value), f"{where} query {name}")
                elif schema.get("type") == "array":
                    parts = [value] if params[name].get("explode") else value.split(",")
                    self.judge(schema, parts, f"{where} query {name}")
                else:
                    self.judge(schema, value, f"{where} query {name}")

    def judge_body(self, response, kind, text, where):
        content = response.get("content", {})
        if not content:
            if text:
                raise Wrong(f"{where}: a body where none is told")
            return
        if kind not in content:
            raise Wrong(f"{where}: {kind} is not in {list(content)}")
        media = content[kind]
        if media["schema"].get("format") == "binary":
            if not text.startswith("SQLite format 3\0"):
                raise Wrong(f"{where}: not a database: {text[:80]!r}")
            return
        each = media.get("x-each")
        if each == "line":
            values = [line for line in text.split("\n") if line]
        elif each == "data":
            values = re.findall(r"^data: (.*)$", text, re.M)
            if not re.fullmatch(r"(id: [0-9a-f]{32}:\d+\nevent: \S+\ndata: .*\n\n|: .*\n\n)*", text):
                raise Wrong(f"{where}: not Server-Sent Events: {text[:200]}")
        else:
            values = [text]
        for value in values:
            text = kind in ("text/plain", "application/openmetrics-text")
            self.judge(media["schema"], value if text else json.loads(value), where)

    def answer(self, method, target, sent, status, headers, text):
        path, _, query = target.partition("?")
        path = path.split("#")[0]
        where = f"{method} {target[:120]} -> {status}"
        op, methods = self.find(method, path)
        kind = headers.get("content-type", "").split(";")[0]
        problem = {"$ref": "#/components/schemas/Problem"}
        if op is None:
            want = 405 if methods else 404
            if status not in (want, 414) or kind != "application/problem+json":
                raise Wrong(f"{where}: not in the file, so {want} is wanted")
            if status == 405 and sorted(headers["allow"].split(", ")) != sorted(methods):
                raise Wrong(f"{where}: Allow: {headers['allow']}, the file has {methods}")
            self.judge(problem, json.loads(text), where)
            return
        if str(status) not in op["responses"]:
            raise Wrong(f"{where}: this status is not told: {text[:300]}")
        self.statuses.add((op["operationId"], str(status)))
        response = deref(self.doc, op["responses"][str(status)])
        self.judge_body(response, kind, text, where)
        if status == 200 and "304" in op["responses"] and "etag" not in headers:
            raise Wrong(f"{where}: no ETag")
        if status >= 400 and json.loads(text)["status"] != status:
            raise Wrong(f"{where}: says status {json.loads(text)['status']}")
        for name, header in response.get("headers", {}).items():
            header = deref(self.doc, header)
            value = headers.get(name.lower())
            if value is None and header.get("required"):
                raise Wrong(f"{where}: no header {name}")
            if value is not None:
                whole = deref(self.doc, header["schema"]).get("type") == "integer"
                self.judge(header["schema"], int(value) if whole else value, f"{where} {name}")
        if status < 300:
            self.judge_query(op, query, where)
        schema = op.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if isinstance(sent, dict) and status < 300:
            self.judge(schema if schema else {"const": {}}, sent, f"{where} request")

    def unseen(self):
        """Keys of answers that no answer had."""
        names = []

        def walk(schema, where, path):
            if isinstance(schema, dict) and "$ref" in schema:
                where = schema["$ref"].split("/")[-1]
            schema = deref(self.doc, schema)
            if not isinstance(schema, dict) or id(schema) in path:
                return
            path = path | {id(schema)}
            for key, value in schema.get("properties", {}).items():
                if schema.get("type") == "object" and (id(schema), key) not in self.seen:
                    names.append(f"{where}.{key}")
                walk(value, f"{where}.{key}", path)
            for branch in schema.get("anyOf", []) + schema.get("oneOf", []):
                walk(branch, where, path)
            walk(schema.get("items"), where, path)

        for method, path, op in operations(self.doc):
            for response in op["responses"].values():
                for media in deref(self.doc, response).get("content", {}).values():
                    walk(media["schema"], f"{method} {path}", frozenset())
        return sorted(set(names))


class Server:
    def __init__(self, path, judge):
        self.path, self.judge = path, judge
        self.count = 0

    def ask(self, method, target, body=None, headers=None, judge=True):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(60)
        sock.connect(self.path)
        conn = http.client.HTTPConnection("localhost")
        conn.sock = sock
        head = dict(headers or {})
        data = body
        if isinstance(body, (dict, list)):
            data = json.dumps(body).encode()
            head.setdefault("Content-Type", "application/json")
        if method != "GET" or data:
            head.setdefault("Content-Length", str(len(data or b"")))
        conn.putrequest(method, target)
        for name, value in head.items():
            if value is not None:
                conn.putheader(name, value)
        conn.endheaders(data)
        answer = conn.getresponse()
        text = answer.read().decode(errors="replace")  # a database is none
        got = self.headers = {k.lower(): v for k, v in answer.getheaders()}
        conn.close()
        self.count += 1
        if judge:
            self.judge.answer(method, target, body, answer.status, got, text)
        whole = got.get("content-type", "").endswith(("/json", "+json"))
        return answer.status, json.loads(text) if whole else text

    def want(self, status, method, target, body=None, **headers):
        got, value = self.ask(method, target, body, {k.replace("_", "-"): v for k, v in headers.items()})
        if got != status:
            raise Wrong(f"{method} {target[:120]}: {status} is wanted, got {got}: {value}")
        return value


def refusals(doc, server):
    """What every operation refuses in the same way."""
    for method, path, op in operations(doc):
        names = re.sub(r"{attempt}", "4503599627370496", path)
        names = re.sub(r"{[^}]*}", "nobody", names)
        m = method.upper()
        image = body_kind(op) == "image"
        lines = body_kind(op) == "lines"
        server.want(400, m, names + "?no-such-key=1")
        if "{" in path:
            if op["operationId"] != "saveQuery":  # it makes what is not there
                server.want(404, m, names + ("?version=1" if image else ""), *([b"x"] if image else body_of(doc, op)))
            server.want(414, m, re.sub(r"{[^}]*}", "n" * 2100, path))
        if not image and not lines:
            server.want(413, m, names, b" " * 65537, Content_Type="application/json")
            server.want(415, m, names, b"{}", Content_Type="text/plain")
    for path in doc["paths"]:
        server.want(405, "BREW", re.sub(r"{[^}]*}", "x", path))
    for path in ("/", "/v1", "/v1/nothing", "/v2/status", "/v1/status/"):
        server.want(404, "GET", path)


def body_of(doc, op):
    """A body of the right form, so that the name in the path is what is wrong."""
    content = op.get("requestBody", {}).get("content", {}).get("application/json")
    if not content:
        return []
    schema = deref(doc, content["schema"])
    return [{k: "1" for k in schema.get("required", []) if k in ("version",)}]


def drive_products(server):
    want = server.want
    want(200, "GET", "/v1/openapi.json")
    want(201, "POST", "/v1/products", {"name": "p%1", "hardware": "h", "policy": {"stall_s": 60}})
    want(409, "POST", "/v1/products", {"name": "p%1"})
    want(201, "POST", "/v1/products", {"name": "bare"})
    want(200, "PATCH", "/v1/products/p%251", {"hardware": "", "policy": {"backoff_s": 1}})
    want(200, "GET", "/v1/products/p%251")
    page = want(200, "GET", "/v1/products?limit=1")
    want(200, "GET", "/v1/products?limit=1000&after=" + page["next"])
    for bad in ({}, {"name": "a b"}, {"name": "x", "policy": {"window": 0}}, {"x": 1}, []):
        want(400, "POST", "/v1/products", bad)
    add = "/v1/products/p%251/releases"
    want(201, "POST", add + "?version=1&running=mcuboot:00112233&running=vendor-7:aabbccdd&reports=no-digest,no-confirm", b"one")
    want(201, "POST", add + "?version=2", b"two", Content_Type="application/octet-stream")
    want(409, "POST", add + "?version=2", b"two")
    want(400, "POST", add + "?version=3&running=x", b"3")
    want(400, "POST", add + "?version=3&running=file:" + "00" * 32, b"3")
    want(400, "POST", add + "?version=", b"3")
    want(400, "POST", add + "?version=3", b"")
    want(415, "POST", add + "?version=3", b"3", Content_Type="text/plain")
    want(413, "POST", add + "?version=3", None, Content_Length="99999999999")
    want(411, "POST", add + "?version=3", None, Content_Length=None)
    want(200, "GET", add + "/2")
    want(200, "GET", add + "?limit=1")
    page = want(200, "GET", "/v1/releases?limit=1")
    want(200, "GET", f"/v1/releases?after={page['next']}")
    want(200, "GET", f"{add}?after={page['next']}&limit=1")
    want(200, "PUT", "/v1/products/p%251/target", {"version": "1"})
    ca = "/v1/products/p%251/ca"
    want(404, "GET", ca)
    want(400, "PUT", ca, {"pem": "nonsense"})
    want(400, "PUT", ca, {"pem": CA_PEM * 9})
    want(400, "PUT", ca, {"pem": "x" * 16385})
    want(412, "PUT", ca, {"pem": CA_PEM}, If_Match='"9999-0"')
    want(200, "PUT", ca, {"pem": CA_PEM})
    want(200, "GET", ca)
    want(304, "GET", ca, None, If_None_Match=server.headers["etag"])
    want(412, "DELETE", ca, None, If_Match='"9999-0"')
    want(200, "DELETE", ca)
    want(404, "GET", ca)
    want(200, "PUT", ca, {"pem": CA_PEM})
    want(409, "DELETE", add + "/1")
    want(200, "PUT", "/v1/products/p%251/target", {"version": None})
    signers = "/v1/products/p%251/signers"
    want(201, "POST", signers, {"name": "s%1", "pem": PUBLIC_PEM})
    want(409, "POST", signers, {"name": "s%1", "pem": PUBLIC_PEM})
    want(409, "POST", signers, {"name": "s2", "pem": PUBLIC_PEM})
    for bad in ({}, {"name": "s2"}, {"name": "a b", "pem": PUBLIC_PEM}, {"name": "x" * 65, "pem": PUBLIC_PEM}, {"name": "s2", "pem": CA_PEM},
                {"name": "s2", "pem": "x" * 5000}, {"name": "s2", "pem": PUBLIC_PEM, "x": 1}):
        want(400, "POST", signers, bad)
    want(200, "GET", signers)
    want(304, "GET", signers, None, If_None_Match=server.headers["etag"])
    signer = signers + "/s%251"
    want(200, "GET", signer)
    want(304, "GET", signer, None, If_None_Match=server.headers["etag"])
    want(404, "GET", signers + "/s2")
    want(404, "DELETE", signers + "/s2")
    want(412, "DELETE", signer, None, If_Match='"9999-0"')
    for bad in ("x", "AAA%3D", "A" * 688):
        want(400, "POST", add + "?version=u&signature=" + bad, b"s")
    want(200, "PATCH", "/v1/products/p%251", {"policy": {"require_signature": 1}})
    want(400, "POST", add + "?version=u", b"s")
    want(200, "PATCH", "/v1/products/p%251", {"policy": {"require_signature": 0}})
    want(204, "DELETE", signer)
    states = add + "/s"
    want(201, "POST", add + "?version=s&draft=1&label_anyway=1", b"s")
    want(409, "PUT", "/v1/products/p%251/target", {"version": "s"})
    want(409, "POST", states + "/quarantine")
    for act in ("activate", "activate", "quarantine", "activate", "withdraw"):
        want(200, "POST", f"{states}/{act}")
        want(200, "GET", states)
        want(200, "GET", states + "/explain")
    want(409, "POST", states + "/activate")
    want(200, "GET", add + "/1/explain")
    want(404, "GET", add + "/9/explain")
    want(404, "GET", "/v1/products/none/releases/1/explain")
    want(404, "POST", add + "/9/withdraw")
    want(204, "DELETE", states)
    want(404, "PUT", "/v1/products/p%251/target", {"version": "9"})
    want(204, "DELETE", add + "/2")
    groups = "/v1/products/p%251/groups"
    want(201, "POST", groups, {"name": "g%1", "version": "1"})
    want(201, "POST", groups, {"name": "g2", "version": None})
    want(409, "POST", groups, {"name": "g2"})
    for bad in ({}, {"name": "none"}, {"name": "a b"}, {"name": "x", "version": 1}, {"x": 1}):
        want(400, "POST", groups, bad)
    want(404, "POST", groups, {"name": "g3", "version": "9"})
    want(409, "DELETE", add + "/1")
    group = groups + "/g%251"
    want(200, "GET", group)
    want(304, "GET", group, None, If_None_Match=server.headers["etag"])
    want(200, "GET", groups)
    page = want(200, "GET", "/v1/groups?limit=1")
    want(200, "GET", f"/v1/groups?after={page['next']}")
    want(200, "GET", f"{groups}?after={page['next']}&limit=1")
    for method, path, body in (("PATCH", group, {"name": "g3"}), ("DELETE", group, None),
                               ("PUT", group + "/target", {"version": None})):
        want(412, method, path, body, If_Match='"9999-0"')
    want(409, "PATCH", group, {"name": "g2"})
    want(200, "PATCH", group, {"name": "g3"})
    want(200, "PATCH", groups + "/g3", {"name": "g%1"})
    here = {"windows": "Mon 01:00-02:00", "time_zone": "Asia/Tokyo"}
    want(200, "PATCH", groups + "/g%251", here)
    assert want(200, "PATCH", groups + "/g%251", {})["windows"] == here["windows"]
    most = want(200, "PATCH", groups + "/g%251", {"max_downloads": 1000000, "image_rate": 1 << 30})
    assert most["downloads"]["limit"] == 524288
    want(200, "PATCH", groups + "/g%251", {"max_downloads": 1, "image_rate": 2048})
    for bad in ({"windows": "x"}, {"time_zone": "x/y"}, {"windows": 1}, {"other": 1}, {"max_downloads": -1},
                {"max_downloads": 1000001}, {"max_downloads": "1"}, {"max_downloads": None}, {"image_rate": 2047},
                {"image_rate": (1 << 30) + 1}, {"image_rate": 1.5}, {"windows": "x" * 256}, {"time_zone": "x" * 64}):
        want(400, "PATCH", groups + "/g%251", bad)
    want(200, "PATCH", groups + "/g%251", {"windows": "", "time_zone": "", "max_downloads": 0, "image_rate": 0})
    want(404, "PUT", group + "/target", {"version": "9"})
    want(200, "PUT", group + "/target", {"version": None})
    want(200, "PUT", group + "/target", {"version": "1"})
    want(204, "DELETE", groups + "/g2")


def drive_rollouts(server):
    want = server.want
    base = "/v1/products/p%251/rollouts"
    want(200, "GET", base)
    one = {"release": "1", "name": "r%1", "waves": "gate,1,100%", "filter": "online=no",
           "start_at": "2026-01-01T00:00:00Z", "settings": {"rate": 60, "fail_min": 1}}
    want(201, "POST", base, one)
    want(409, "POST", base, one)
    want(201, "POST", base, {"release": "1", "settings": {"approval": 1}})
    page = want(200, "GET", base + "?limit=1")
    want(200, "GET", f"{base}?limit=1000&after={page['next']}")
    want(400, "GET", base + "?limit=1001")
    for bad in ({}, {"release": "1", "waves": "50%"}, {"release": "1", "filter": "x=1"},
                {"release": "1", "filter": "state=held"}, {"release": "1", "start_at": "now"},
                {"release": "1", "settings": {"rate": -1}}, {"release": "1", "settings": {"x": 1}},
                {"release": "1", "settings": 1}, {"release": "1", "name": "a b"}, {"release": 1}):
        want(400, "POST", base, bad)
    want(404, "POST", base, {"release": "9"})
    r = base + "/r%251"
    want(200, "GET", r)
    want(304, "GET", r, None, If_None_Match=server.headers["etag"])
    want(200, "GET", r + "/plan")
    want(200, "GET", r + "/plan?days=366")
    want(400, "GET", r + "/plan?days=367")
    want(200, "GET", r + "/explain")
    want(404, "GET", base + "/none/explain")
    for act in ("approve", "pause", "resume", "next", "finish"):
        want(409, "POST", f"{r}/{act}")
    want(409, "POST", base + "/1/approve")  # its author
    for act in ("start", "pause", "resume", "next", "finish", "abort", "approve"):
        want(412, "POST", f"{r}/{act}", None, If_Match='"99-0"')
    want(200, "POST", r + "/start")
    want(409, "POST", r + "/start")
    want(409, "DELETE", r)
    want(412, "DELETE", r, None, If_Match='"99-0"')
    for _ in range(200):
        if want(200, "GET", r).get("wait") == "gate":
            break
        time.sleep(0.05)
    want(200, "POST", r + "/pause")
    want(200, "GET", r + "/explain")
    want(200, "GET", "/v1/products/p%251/releases/1/explain")
    want(200, "POST", r + "/resume")
    want(200, "POST", r + "/next")
    page = want(200, "GET", r + "/devices?limit=1")
    want(200, "GET", f"{r}/devices?limit=1&after={page['next']}")
    want(200, "POST", r + "/finish")
    want(409, "POST", r + "/abort")
    want(200, "GET", r)
    want(204, "DELETE", r + "?yes=1")
    want(404, "GET", r)
    want(200, "POST", base + "/1/abort")
    want(204, "DELETE", base + "/1")
    want(201, "POST", base, {"release": "1", "settings": {"approval": 0}})
    want(200, "POST", base + "/1/start")
    want(200, "POST", base + "/1/abort")
    want(204, "DELETE", base + "/1")
    want(201, "POST", base, {"release": "1", "name": "nobody", "filter": "tag=nobody"})
    want(200, "POST", base + "/nobody/start")
    for _ in range(200):
        if want(200, "GET", base + "/nobody").get("why") == "empty":
            break
        time.sleep(0.05)
    want(200, "POST", base + "/nobody/abort")
    want(200, "GET", base + "/nobody")
    want(204, "DELETE", base + "/nobody")


def drive_tags(server, ids):
    """A stale tag is refused, one of now is not."""
    want = server.want
    attempt = want(200, "GET", "/v1/attempts?open=1")["attempts"][0]["id"]
    want(201, "POST", "/v1/products/p%251/releases?version=t", b"t")
    rows = {
        "/v1/products/p%251": [("PATCH", "", {}), ("PUT", "/target", {"version": None})],
        "/v1/products/p%251/releases/t": [("DELETE", "", None), ("POST", "/activate", None),
                                              ("POST", "/quarantine", None), ("POST", "/withdraw", None)],
        f"/v1/devices/{ids[0]}": [("POST", "/unlock", None), ("POST", "/force", None),
                                  ("POST", "/unforce", None), ("POST", "/hold", None),
                                  ("POST", "/group", {"group": None}), ("PATCH", "", {"windows": "01:00-02:00"}),
                                  ("POST", "/tag", {"tags": ["x"]}), ("POST", "/untag", {"tags": ["x"]}),
                                  ("POST", "/development", None), ("POST", "/production", None),
                                  ("POST", "/unhold", None), ("DELETE", "", None),
                                  ("POST", "/disable", None), ("POST", "/enable", None),
                                  ("POST", "/certificate", None),
                                  ("POST", "/lock", {"version": "1.0.0"}),
                                  ("POST", "/key", {"psk_generate": True}),
                                  ("DELETE", "/key", None)],
        f"/v1/attempts/{attempt}": [("POST", "/cancel", None)],
    }
    for path, acts in rows.items():
        # A device that speaks meanwhile is another one.
        for _ in range(50):
            want(200, "GET", path)
            tag = server.headers["etag"]
            want(200, "GET", path)
            if server.headers["etag"] == tag:
                break
        want(304, "GET", path, None, If_None_Match=tag)
        for method, act, body in acts:
            want(412, method, path + act, body, If_Match='"0-0"')
        if path.startswith("/v1/products/"):
            want(204 if acts[0][0] == "DELETE" else 200, acts[0][0], path, acts[0][2], If_Match=tag)


def drive_audit(server):
    want = server.want
    page = want(200, "GET", "/v1/audit?limit=5")
    want(200, "GET", f"/v1/audit?after={page['next']}&limit=1000")
    want(200, "GET", "/v1/audit?before=0&object=p%251")
    if not want(200, "GET", "/v1/audit/verify")["ok"]:
        raise Wrong("the audit log does not verify")
    row = want(200, "GET", "/v1/audit?limit=1")["audit"][0]
    want(400, "POST", "/v1/audit/prune", {"through": 1, "hash": "a"})
    want(404, "POST", "/v1/audit/prune", {"through": 4999, "hash": row["hash"]})
    want(409, "POST", "/v1/audit/prune", {"through": 2, "hash": row["hash"]})
    want(200, "POST", "/v1/audit/prune", {"through": 1, "hash": row["hash"]})
    want(200, "GET", "/v1/audit?limit=1")
    if not want(200, "GET", "/v1/audit/verify")["ok"]:
        raise Wrong("the rest of the audit log does not verify")
    want(400, "GET", "/v1/audit?before=0&after=0")


def drive_devices(server, ids):
    want = server.want
    want(201, "POST", "/v1/devices", {"id": "d%1", "product": "p%1", "psk_generate": True})
    want(201, "POST", "/v1/devices", {"id": "d2", "product": "p%1", "psk": "0a" * 16})
    want(201, "POST", "/v1/devices", {"id": "d3", "product": "p%1", "plain": True})
    want(201, "POST", "/v1/devices", {"id": "dc", "product": "p%1", "certificate": True})
    want(409, "POST", "/v1/devices/dc/key", {"psk_generate": True})
    want(400, "POST", "/v1/devices", {"id": "d4", "product": "p%1", "plain": True, "certificate": True})
    want(409, "POST", "/v1/devices", {"id": "d4", "product": "p%1", "psk": "0A" * 16})
    want(404, "POST", "/v1/devices", {"id": "d4", "product": "none", "plain": True})
    want(400, "POST", "/v1/devices", {"id": "d4", "product": "p%1"})
    want(201, "POST", "/v1/devices", {"id": "dg", "product": "p%1", "plain": True, "group": "g%1", "development": True})
    want(404, "POST", "/v1/devices", {"id": "d4", "product": "p%1", "plain": True, "group": "none"})
    want(409, "DELETE", "/v1/products/p%251/groups/g%251")
    one = "/v1/devices/d%251"
    tags = ["site=berlin", "lab"]
    want(200, "POST", "/v1/devices/dg/tag", {"tags": tags})
    want(200, "GET", "/v1/devices/dg")
    want(200, "PATCH", "/v1/devices/dg", {"windows": "Mon-Sun 00:00-24:00", "time_zone": "Asia/Tokyo"})
    assert want(200, "PATCH", "/v1/devices/dg", {})["maintenance"]["windows_from"] == "device"
    far = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=3)).strftime("%a")
    assert not want(200, "PATCH", "/v1/devices/dg", {"windows": f"{far} 10:00-11:00"})["maintenance"]["open"]
    want(200, "GET", "/v1/devices")
    for bad in ({"windows": "x"}, {"time_zone": "x/y"}, {"time_zone": 1}, {"group": "g"}):
        want(400, "PATCH", "/v1/devices/dg", bad)
    want(404, "PATCH", "/v1/devices/none", {})
    want(200, "PATCH", "/v1/devices/dg", {"windows": "", "time_zone": ""})
    for bad in ({}, {"tags": []}, {"tags": ["a b"]}, {"tags": ["a,b"]}, {"tags": "lab"}, {"tags": ["x" * 33]}):
        want(400, "POST", "/v1/devices/dg/tag", bad)
    want(409, "POST", "/v1/devices/dg/tag", {"tags": [str(i) for i in range(15)]})
    want(200, "POST", "/v1/devices/d2/tag", {"tags": [str(i) for i in range(16)]})
    want(409, "POST", "/v1/devices/d2/tag", {"tags": ["16"]})
    want(200, "POST", "/v1/devices/d2/untag", {"tags": ["0", "nothing"]})
    for query, ids_wanted in (("tag=lab", ["dg"]), ("tag=site%3Dberlin&development=yes", ["dg"]), ("group=g%251", ["dg"]),
                              ("tag=lab&filter=tag!%3Dsite%3Dberlin", []), ("filter=tag%3Dlab%20product%3Dp%251", ["dg"]),
                              ("product=p%251&group=none&tag=1", ["d2"]), ("tag=0", []), ("hold=none&tag=lab", ["dg"]),
                              ("locked=no&tag=lab&hardware=x", []), ("tag=lab&protocol=native", [])):
        rows = want(200, "GET", "/v1/devices?" + query)["devices"]
        if [row["id"] for row in rows] != ids_wanted:
            raise Wrong(f"{query}: {[row['id'] for row in rows]} where {ids_wanted} are wanted")
    want(404, "GET", "/v1/devices?group=nothing")
    want(404, "GET", "/v1/devices?query=q1")
    for query in ("filter=lab", "filter=x%3D1", "filter=" + "tag%3Dx%20" * 17, "tag=a%2Cb", "group=any"):
        want(400, "GET", "/v1/devices?" + query)
    want(200, "PUT", "/v1/queries/q1", {"filter": " tag=lab  development=1 "})
    want(200, "PUT", "/v1/queries/q%252", {"filter": ""})
    want(200, "PUT", "/v1/queries/q1", {"filter": "tag=lab"}, If_Match='"1-0"')
    if [row["id"] for row in want(200, "GET", "/v1/devices?query=q1")["devices"]] != ["dg"]:
        raise Wrong("a saved query finds something else")
    want(200, "GET", "/v1/queries/q1")
    want(304, "GET", "/v1/queries/q1", None, If_None_Match=server.headers["etag"])
    for bad in ({}, {"filter": 1}, {"filter": "lab"}, {"filter": "x=1"}, {"x": 1}):
        want(400, "PUT", "/v1/queries/q1", bad)
    want(404, "PUT", "/v1/queries/q1", {"filter": "product=nothing"})
    want(400, "PUT", "/v1/queries/a%20b", {"filter": ""})
    page = want(200, "GET", "/v1/queries?limit=1")
    want(200, "GET", "/v1/queries?after=" + urllib.parse.quote(page["next"], safe=""))
    for method, body in (("PUT", {"filter": ""}), ("DELETE", None)):
        want(412, method, "/v1/queries/q1", body, If_Match='"9999-0"')
    want(204, "DELETE", "/v1/queries/q1")
    want(404, "POST", one + "/group", {"group": "g9"})
    want(400, "POST", one + "/group", {"group": 1})
    want(200, "POST", one + "/key", {"psk_generate": True})
    want(200, "POST", one + "/key", {"psk": "0b" * 16})
    want(409, "POST", one + "/key", {"psk": "0a" * 16})
    want(400, "POST", one + "/key", {})
    want(404, "POST", "/v1/devices/nobody/key", {"psk_generate": True})
    want(200, "GET", one)
    want(200, "DELETE", one + "/key")
    want(200, "DELETE", one + "/key")
    want(409, "DELETE", "/v1/devices/d3/key")
    for act in ("lock", "force", "hold", "hold", "unhold", "unhold", "unforce", "unforce", "unlock", "unlock",
                "disable", "disable", "enable", "enable", "certificate", "certificate",
                "group", "group", "development", "development", "production", "production"):
        body = {"version": "1"} if act == "lock" else {"group": "g%1"} if act == "group" else None
        want(200, "POST", f"{one}/{act}", body)
        want(200, "GET", one)
        want(200, "GET", one + "/explain")
        want(200, "GET", "/v1/devices?product=p%251")
    want(409, "POST", one + "/key", {"psk": "0b" * 16})
    want(400, "POST", one + "/key", {"psk": "0b" * 16, "now": "yes"})
    want(200, "POST", one + "/key", {"psk": "0b" * 16, "now": True})
    page = want(200, "GET", "/v1/devices?limit=1")
    want(200, "GET", "/v1/devices?after=" + urllib.parse.quote(page["next"]))
    want(404, "GET", "/v1/devices?product=none")
    for query in ("state=updating", "state=disabled", "hold=any", "hold=reverts", "hold=none", "online=1", "drifted=1", "version=1.1.0"):
        want(200, "GET", "/v1/devices?" + query)
    for query in ("state=x", "hold=x", "online=2", "drifted=", "version=" + "x" * 65):
        problem = want(400, "GET", "/v1/devices?" + query)
        if query.split("=")[0] not in problem["detail"]:
            raise Wrong(f"{query}: {problem['detail']} does not name it")
    want(204, "DELETE", one)
    for device in ids:
        want(200, "GET", f"/v1/devices/{device}")
        want(200, "GET", f"/v1/devices/{device}/explain")


def drive_imports(server):
    """Devices as JSON lines: wrong ones, right ones, the same again."""
    def lines(status, query, *rows):
        return server.want(status, "POST", "/v1/imports" + query, "".join(json.dumps(r) + "\n" for r in rows).encode(),
                           Content_Type="application/x-ndjson")

    a = {"id": "i1", "product": "p%1", "psk": "1a" * 16, "hold": True, "lock": "1"}
    b = {"id": "i2", "product": "p%1", "certificate": True}
    c = {"id": "i3", "product": "p%1", "plain": True, "tags": ["pilot"], "development": True, "force": True,
         "disabled": True, "windows": "01:00-05:00", "time_zone": "Europe/Berlin"}
    wrong = lines(400, "", a, {"id": "i4"}, a, {"id": "i5", "product": "p%1", "psk": "no"})
    if [e["line"] for e in wrong["errors"]] != [2, 2, 3, 4] or wrong["errors"][2]["other_line"] != 1:
        raise Wrong(f"POST /v1/imports: {wrong}")
    same = lines(400, "", *[{"id": f"same-{i}", "product": "none", "plain": True} for i in range(5)])
    if [e.get("more") for e in same["errors"]] != [None, None, 2]:
        raise Wrong(f"POST /v1/imports: {same}")
    lines(200, "?dry_run=1", a, b, c)
    server.want(404, "GET", "/v1/devices/i1")
    lines(200, "", a, b)
    lines(400, "", a)
    if lines(200, "?skip_existing=1", b, c)["skipped_lines"] != "1":
        raise Wrong("POST /v1/imports: not the first is skipped")
    server.want(415, "POST", "/v1/imports", b"{}", Content_Type="application/json")
    server.want(411, "POST", "/v1/imports", None, Content_Type="application/x-ndjson", Content_Length=None)
    server.want(413, "POST", "/v1/imports", b"", Content_Type="application/x-ndjson", Content_Length=str((64 << 20) + 1))
    for device in ("i1", "i2", "i3"):
        server.want(204, "DELETE", "/v1/devices/" + device)


def drive_attempts(server, ids):
    want = server.want
    rows = want(200, "GET", "/v1/attempts?limit=1000")["attempts"]
    if {a["device"] for a in rows} != set(ids):
        raise Wrong(f"attempts of {ids} are wanted, there are {[a['device'] for a in rows]}")
    for row in rows:
        want(200, "GET", f"/v1/attempts/{row['id']}")
        if row["state"] == "closed":
            want(409, "POST", f"/v1/attempts/{row['id']}/cancel")
    page = want(200, "GET", "/v1/attempts?limit=1")
    want(200, "GET", f"/v1/attempts?before={page['next']}")
    want(200, "GET", f"/v1/attempts?device={ids[0]}")
    want(404, "GET", "/v1/attempts?device=nobody")
    want(404, "GET", "/v1/attempts?product=nobody")
    filters = {
        "product=argon&release=1.1.0": lambda a: a["version"] == "1.1.0",
        "product=argon&release=9": lambda a: False,
        "verdict=reverted": lambda a: a.get("verdict") == "reverted",
        "verdict=updated&device=" + ids[0]: lambda a: a["device"] == ids[0],
        "charged=1": lambda a: a.get("charged") is True,
        "charged=0": lambda a: a.get("charged") is False,
        "since=" + rows[1]["created"]: lambda a: a["created"] >= rows[1]["created"],
        "until=" + rows[0]["created"]: lambda a: a["created"] < rows[0]["created"],
        "since=2100-01-01T00:00:00Z": lambda a: False,
    }
    for query, fits in filters.items():
        got = want(200, "GET", "/v1/attempts?limit=1000&" + query)["attempts"]
        mine = [a["id"] for a in rows if fits(a) and ("device=" not in query or a["device"] in query)]
        if [a["id"] for a in got] != mine:
            raise Wrong(f"attempts?{query}: {[a['id'] for a in got]} instead of {mine}")
    for query in ("verdict=none", "verdict=x", "charged=2", "since=now", "until=2026-13-01T00:00:00Z",
                  "since=2026-11-22T23:51:07", "release=1", "open=7"):
        problem = want(400, "GET", "/v1/attempts?" + query)
        if query.split("=")[0] not in problem["detail"]:
            raise Wrong(f"{query}: {problem['detail']} does not name it")
    for row in want(200, "GET", "/v1/attempts?open=1")["attempts"]:
        want(200, "POST", f"/v1/attempts/{row['id']}/cancel")


def drive_events(server, ids):
    want = server.want
    want(200, "GET", "/v1/status")
    want(200, "GET", "/v1/health")
    want(200, "GET", "/metrics")
    want(200, "GET", "/metrics", None, Accept="application/openmetrics-text")
    text = want(200, "GET", "/v1/events")
    cursor = json.loads(text.split("\n")[0])["cursor"]
    want(200, "GET", f"/v1/events?after={cursor}&limit=5&device={ids[0]}")
    want(200, "GET", "/v1/events", None, Accept="text/event-stream", Last_Event_ID=cursor)
    events = [json.loads(line) for line in text.split("\n") if line]
    attempt = next(e["attempt"] for e in events if "attempt" in e)
    filters = {
        f"attempt={attempt}": lambda e: e.get("attempt") == attempt,
        "topic=device/boot": lambda e: e["topic"].endswith("device/boot"),
        "topic=spark/device/boot": lambda e: e["topic"] == "spark/device/boot",
        f"topic=device/boot&device={ids[0]}": lambda e: e["topic"].endswith("device/boot") and e["device"] == ids[0],
    }
    for query, fits in filters.items():
        got = [json.loads(line)["seq"] for line in want(200, "GET", "/v1/events?" + query).split("\n") if line]
        mine = [e["seq"] for e in events if fits(e)]
        if got != mine:
            raise Wrong(f"events?{query}: {got} instead of {mine}")
    clouds = want(200, "GET", "/v1/events?format=cloudevents")
    if [json.loads(line)["data"] for line in clouds.split("\n") if line] != events:
        raise Wrong("CloudEvents carry other events")
    want(200, "GET", "/v1/events?format=cloudevents", None, Accept="text/event-stream")
    want(400, "GET", "/v1/events?format=x")
    for topic in ("boot", "oot", "x/device/boot", "device/boot/", "flash"):
        want(400, "GET", f"/v1/events?topic={topic}")
    want(404, "GET", "/v1/events?attempt=4503599627370496")
    want(410, "GET", "/v1/events?after=99999999")
    want(410, "GET", "/v1/events?after=" + "0" * 32 + ":1")
    want(400, "GET", "/v1/events?after=x")
    want(200, "POST", "/v1/backup")


class Refuser(http.server.BaseHTTPRequestHandler):
    """A receiver of webhooks that takes pings and nothing else."""

    def log_message(self, *args):
        pass

    def do_POST(self):
        ping = self.headers["webhook-id"].startswith("ping-")
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204 if ping else 500)
        self.end_headers()


def drive_hooks(server):
    want = server.want
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuser)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{receiver.server_address[1]}/"
    want(200, "GET", "/v1/hooks")
    shown = want(201, "POST", "/v1/hooks", {"name": "h%1", "url": url, "topics": ["updates/pending", "store"],
                                            "products": ["p%1"], "batch": 2})
    if not shown["secret"].startswith("whsec_"):
        raise Wrong("no secret was drawn")
    want(409, "POST", "/v1/hooks", {"name": "h%1", "url": url})
    want(201, "POST", "/v1/hooks", {"name": "h2", "url": url, "secret": "s" * 24, "after": 0,
                                    "topics": ["device/boot"]})
    for bad in ({"url": url}, {"name": "a b", "url": url}, {"name": "x", "url": "ftp://x/"},
                {"name": "x", "url": "http://u:p@h/"}, {"name": "x", "url": "http://h/#f"},
                {"name": "x", "url": "http://h/" + "x" * 512}, {"name": "x", "url": url, "topics": ["flas"]},
                {"name": "x", "url": url, "topics": "flash"}, {"name": "x", "url": url, "batch": 101},
                {"name": "x", "url": url, "secret": "s" * 23},
                {"name": "x", "url": url, "secret": "s" * 24, "secret_generate": True}, {"x": 1}):
        want(400, "POST", "/v1/hooks", bad)
    want(404, "POST", "/v1/hooks", {"name": "x", "url": url, "products": ["none"]})
    one = "/v1/hooks/h%251"
    if "secret" in want(200, "GET", one):
        raise Wrong("a secret is shown again")
    tag = server.headers["etag"]
    want(304, "GET", one, None, If_None_Match=tag)
    for method, act in (("PATCH", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/retry"),
                        ("DELETE", "/dead"), ("DELETE", "/dead/1")):
        want(412, method, one + act, {} if method == "PATCH" else None, If_Match='"9999-0"')
    want(200, "PATCH", one, {"topics": [], "products": [], "batch": 1, "url": url + "in"}, If_Match=tag)
    want(200, "PATCH", one, {"secret_generate": True})
    want(400, "PATCH", one, {"url": "x"})
    want(200, "POST", one + "/test")
    want(200, "POST", one + "/pause")
    want(200, "POST", one + "/pause")
    want(200, "POST", one + "/resume")
    want(200, "GET", "/v1/hooks")
    # h2's receiver refuses each boot once: hook-tries is 1
    for _ in range(300):
        if want(200, "GET", "/v1/hooks/h2")["dead"] >= 2:
            break
        time.sleep(0.1)
    two = "/v1/hooks/h2/dead"
    page = want(200, "GET", two + "?limit=1")
    want(200, "GET", f"{two}?after={page['next']}")
    first = page["dead"][0]["id"]
    want(200, "POST", "/v1/hooks/h2/retry", {"id": first})
    want(404, "POST", "/v1/hooks/h2/retry", {"id": 999999})
    want(400, "POST", "/v1/hooks/h2/retry", {"id": 0})
    want(200, "DELETE", f"{two}/{first}")
    want(404, "DELETE", f"{two}/{first}")
    want(200, "POST", "/v1/hooks/h2/retry")
    want(200, "DELETE", two)
    receiver.shutdown()
    receiver.server_close()
    got = want(200, "POST", one + "/test")
    if got["taken"] or not got["error"]:
        raise Wrong(f"a receiver that is gone: {got}")
    want(204, "DELETE", one)
    want(204, "DELETE", "/v1/hooks/h2")


# What cannot be had from a healthy server by asking.
NOT_DRIVEN = {"403": None, "503": None, "507": None}  # 403: tests/integration has viewers
# A device's queue that is full; rows that change between two steps of one act.
NOT_DRIVEN["409"] = {
    "untagDevice", "saveQuery", "removeQuery", "setGroupTarget", "moveDevice", "developDevice", "produceDevice",
    "changeProduct", "setTarget", "removeDevice", "lockDevice", "unlockDevice", "forceDevice",
    "unforceDevice", "holdDevice", "unholdDevice", "disableDevice", "enableDevice",
    "certifyDevice", "makeBackup", "changeHook", "removeHook", "pauseHook", "resumeHook", "testHook", "importDevices",
    "withdrawRelease",
}

NOT_DRIVEN["200"] = {"approveRollout"}  # that takes two users

# Of an audit log that somebody changed: its own tests have that.
NOT_SEEN = {"AuditCheck.bad", "AuditCheck.why", "Member.version"}  # the last one: of members that report


def golden(judge, folder):
    """The golden files are answers, too: of states that are hard to bring about."""
    names = {
        "view-attempt-*": "Attempt", "view-device": "Device", "view-device-new": "Device",
        "view-device-row": "DeviceRow", "view-device-claims": "DeviceRow", "view-event-*": "Event", "view-cloudevent": "CloudEvent", "view-explain-[hn]e*": "Explanation",
        "view-explain-release": "ReleaseExplanation", "view-explain-rollout": "RolloutExplanation",
        "view-hook*": "Hook", "view-health": "Health", "view-problem": "Problem", "view-rollout": "Rollout", "view-rollout-waits*": "RolloutWaits", "view-rollout-forecast": "RolloutForecast", "view-rollout-plan": "RolloutPlan", "view-product*": "Product", "view-release*": "Release",
    }
    for pattern, schema in names.items():
        files = glob.glob(f"{folder}/{pattern}.json")
        if not files:
            raise Wrong(f"{folder}/{pattern}.json: no such file")
        for name in files:
            with open(name, encoding="utf-8") as f:
                judge.judge({"$ref": f"#/components/schemas/{schema}"}, json.load(f), name)


def live(doc, path, folder, ids):
    judge = Judge(doc)
    server = Server(path, judge)
    golden(judge, folder)
    drive_products(server)
    drive_devices(server, ids)
    drive_rollouts(server)
    drive_imports(server)
    drive_tags(server, ids)
    drive_attempts(server, ids)
    drive_hooks(server)
    drive_events(server, ids)
    drive_audit(server)
    refusals(doc, server)
    served = server.want(200, "GET", "/v1/openapi.json")
    if served != doc:
        raise Wrong("GET /v1/openapi.json: not the file")
    missing = []
    for _, _, op in operations(doc):
        for status in op["responses"]:
            free = NOT_DRIVEN.get(status, set())
            if (op["operationId"], status) not in judge.statuses and free is not None \
                    and op["operationId"] not in free:
                missing.append(f"{op['operationId']} {status}")
    if missing:
        raise Wrong(f"told, but never answered: {missing}")
    unseen = [key for key in judge.unseen() if key not in NOT_SEEN]
    if unseen:
        raise Wrong(f"told, but never seen: {unseen}")
    return f"{server.count} answers"
