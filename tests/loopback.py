"""A server on this machine whose replies tests write, byte by byte."""

import dataclasses
import json
import socketserver
import threading
import time

METADATA = {
    "name": "m",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}


@dataclasses.dataclass
class Request:
    method: str
    path: str
    headers: dict
    body: bytes


class Loopback:
    """Answers each request by a function, and closes the connection.

    The function returns bytes, or a list of bytes and of seconds to wait.
    """

    def __init__(self, answer):
        self.requests, self.lock = [], threading.Lock()
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    request = read_request(self.rfile)
                    with server.lock:
                        server.requests.append(request)
                    parts = answer(request)
                    for part in [parts] if isinstance(parts, bytes) else parts:
                        if isinstance(part, bytes):
                            self.wfile.write(part)
                        else:
                            time.sleep(part)
                except OSError:  # the client has gone
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, allow_reuse_address = True, True
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(
            target=self.server.serve_forever, args=(0.01,), daemon=True
        ).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def read_request(file):
    method, path, _ = file.readline().decode().split(" ")
    headers = {}
    while line := file.readline().decode().strip():
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    body = file.read(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def reply(content, status="200 OK", length=True, **headers):
    """The bytes of a reply; `a_b` is the header `a-b`."""
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status}", "Connection: close"]
    if length:
        lines.append(f"Content-Length: {len(content)}")
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def answering(post, metadata=METADATA, server=None):
    """Answers requests for an answer in one way, and states METADATA."""

    def answer(request):
        if request.method == "POST":
            return post(request) if callable(post) else post
        if request.path == "/v2":
            return reply(server or {"extensions": []})
        return metadata if isinstance(metadata, bytes) else reply(metadata)

    return Loopback(answer)


def output(data, datatype="FP32", shape=None, name="y"):
    """The reply with one output, in JSON."""
    shape = [1, len(data)] if shape is None else shape
    return {
        "outputs": [
            {"name": name, "datatype": datatype, "shape": shape, "data": data}
        ]
    }
