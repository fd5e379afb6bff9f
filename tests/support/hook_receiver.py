#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A receiver of webhooks that can be told to misbehave.

hook_receiver.py FOLDER [CERT KEY]: listens on 127.0.0.1, writes its port to FOLDER/port. Each
message is a line of FOLDER/got: {"id", "answer", "headers", "body"}. FOLDER/how says what the next
ones get: a status, hang, slow, close, long, redirect, later:S, or 500 in N bytes
by body:N and head:N; "N WORD" for the next N only, line
by line. A message whose body holds the text in FOLDER/poison gets 500. With FOLDER/secret the
signature is checked; a wrong one is noted as "forged".
"""
import base64
import hashlib
import hmac
import http.server
import json
import os
import ssl
import sys
import threading
import time

folder = sys.argv[1]
lock = threading.Lock()


def read(name):
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            return f.read().strip()
    except FileNotFoundError:
        return ""


def next_answer():
    lines = read("how").splitlines()
    if not lines:
        return "204"
    count, _, word = lines[0].rpartition(" ")
    if not count:
        return word
    lines = ([f"{int(count) - 1} {word}"] if int(count) > 1 else []) + lines[1:]
    with open(os.path.join(folder, "how.new"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines))
    os.rename(os.path.join(folder, "how.new"), os.path.join(folder, "how"))
    return word


def forged(headers, body):
    secret = read("secret")
    if not secret:
        return False
    # postboot-hooks(7) has these lines
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    want = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return not (fresh and hmac.compare_digest(want, headers["webhook-signature"]))


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.note("GET", b"")
        self.answer(204)

    def note(self, answer, body):
        row = {"answer": answer, "headers": {k.lower(): v for k, v in self.headers.items()},
               "id": self.headers.get("webhook-id", ""), "body": body.decode()}
        if body and forged(self.headers, body):
            row["forged"] = True
        with open(os.path.join(folder, "got"), "a", encoding="utf-8") as f:
            f.write(json.dumps(row) + "\n")

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def sized(self, where, size):
        """500 in so many bytes, its head included; head: in a field of it, else in its body."""
        head = "HTTP/1.1 500 No\r\nContent-Length: {}\r\n"
        if where == "head":
            head = head.format(0) + "X: "
            text = head + "x" * (size - len(head) - 4) + "\r\n\r\n"
        else:
            rest = size - len(head.format(10000)) - 2
            text = head.format(rest) + "\r\n" + "x" * rest
        assert len(text) == size
        self.wfile.write(text.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            how = next_answer()
            poison = read("poison")
            if poison and poison in body.decode():
                how = "500"
            self.note(how, body)
        if how == "close":
            self.close_connection = True
            return
        if how == "hang":
            time.sleep(3600)
        if how == "slow":
            time.sleep(0.3)
        if how.startswith(("body:", "head:")):
            self.sized(how[:4], int(how[5:]))
        elif how == "long":
            self.answer(200, body=b"x" * 1000000)
        elif how == "redirect":
            self.answer(307, [("Location", f"http://127.0.0.1:{port}/elsewhere")])
        elif how.startswith("later:"):
            self.answer(503, [("Retry-After", how[6:])])
        else:
            self.answer(int(how) if how.isdigit() else 204)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", int(read("port") or 0)), Receiver)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
port = server.server_address[1]
with open(os.path.join(folder, "port.new"), "w", encoding="utf-8") as f:
    f.write(str(port))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
