"""A real HTTP server on loopback that speaks enough of the OpenAI API, and fails in the ways that servers fail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], str | tuple[Any, str | None]]
"""What the server's model says to a request's body, and why it ended if that is not "stop"."""
Refuse = Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None]
"""What a server says to a request that it does not take (status and error), None to one that it takes."""


@dataclass
class Fake:
    """The server's behaviour and what it saw. `faults` are used up, one a request, in the order of arrival."""

    answer: Answer
    faults: list[str] = field(default_factory=list)
    refuse: Refuse = lambda body: None
    usage: Any = field(default_factory=lambda: {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120})
    bodies: list[dict[str, Any]] = field(default_factory=list)
    answered: int = 0
    at_once: int = 0
    most_at_once: int = 0
    gate: threading.Event | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def user_messages(self) -> list[str]:
        """The user messages of all requests, in order of arrival."""
        return [body["messages"][1]["content"] for body in self.bodies]


@contextmanager
def serving(fake: Fake) -> Iterator[str]:
    """Serve on a free port of loopback; yields the endpoint's URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every body waits 40 ms for the client to have its headers

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with fake.lock:
                fake.bodies.append(body)
                fault = fake.faults.pop(0) if fake.faults else ""
                fake.at_once += 1
                fake.most_at_once = max(fake.most_at_once, fake.at_once)
            try:
                if fake.gate is not None:
                    fake.gate.wait(10)
                self._respond(body, fault)
            finally:
                with fake.lock:
                    fake.at_once -= 1

        def _respond(self, body: dict[str, Any], fault: str) -> None:
            if fault == "cut":
                self._send(200, self._completion(body), cut=40)
                return
            if fault == "hang up":
                self.close_connection = True
                return
            if fault == "not json":
                self._send(200, b"<html>busy</html>", kind="text/html")
                return
            if fault == "broken json":
                self._send(200, b'{"id": "x", "choices": [')
                return
            if fault == "no choices":
                self._send(200, b'{"id": "x", "object": "chat.completion", "choices": []}')
                return
            if fault == "choices by name":
                self._send(200, b'{"id": "x", "object": "chat.completion", "choices": {"first": {}}}')
                return
            if fault == "trickle":
                self._send(200, b" " * 500, pause=0.05)
                return
            if fault == "echo key":
                self._send(401, json.dumps({"error": {"message": f"bad key {self.headers['Authorization']}"}}).encode())
                return
            if fault == "no schema" and "response_format" in body:
                self._send(400, b'{"error": {"message": "response_format is not supported"}}')
                return
            if refused := fake.refuse(body):
                self._send(refused[0], json.dumps({"error": refused[1]}).encode())
                return
            if fault.isdecimal():
                self._send(int(fault), b'{"error": {"message": "try later"}}', retry_after="0")
                return
            with fake.lock:
                fake.answered += 1
            self._send(200, self._completion(body, "length" if fault == "half" else "stop"))

        def _completion(self, body: dict[str, Any], finish: str = "stop") -> bytes:
            said = fake.answer(body)
            text, ended = (said, "stop") if isinstance(said, str) else said
            text, finish = (text[: len(text) // 2], finish) if finish == "length" else (text, ended)
            message = {"role": "assistant", "content": text}
            return json.dumps(
                {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [{"index": 0, "finish_reason": finish, "message": message}],
                    "usage": fake.usage,
                }
            ).encode()

        def _send(
            self,
            status: int,
            content: bytes,
            kind: str = "application/json",
            cut: int = 0,
            retry_after: str = "",
            pause: float = 0.0,
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            while pause and content:  # a byte at a time
                self.wfile.write(content[:1])
                time.sleep(pause)
                content = content[1:]
            self.wfile.write(content[: len(content) - cut])
            if cut:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """Clients that hang up are part of the play."""

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield fake.url
    finally:
        server.shutdown()
        server.server_close()
