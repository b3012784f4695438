"""A language model's server for tests: speaks the chat protocol over real HTTP, and says what it is told to say."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHAT, COMPLETION = "/v1/chat/completions", "/completion"


class Server:
    """What it says and what it was asked.

    Attributes:
        says: text of the answer.
        manner: 'chat'; 'llama' knows `/completion` alone; 'garbage', 'error', 'stall', 'drip', 'flood', 'empty'.
        asked: orders that came, decoded.
        url: its address.
    """

    def __init__(self) -> None:
        self.says, self.manner = "", "chat"
        self.asked: list[tuple[str, Any]] = []
        self.url = ""
        self.over = threading.Event()


@contextmanager
def language_model() -> Iterator[Server]:
    """Provide a server on a free port of this machine."""
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.asked.append((self.path, order))
            if told.manner == "stall":
                told.over.wait(20)
                return
            if told.manner == "error" or (told.manner == "llama" and self.path != COMPLETION):
                self.reply(500 if told.manner == "error" else 404, b"{}")
            elif told.manner == "garbage":
                self.reply(200, b"\x00\xff<html>no</html>")
            elif told.manner == "empty":
                self.reply(200, b'{"choices": []}')
            elif told.manner in ("drip", "flood"):
                self.endless(told.manner == "drip")
            elif self.path == COMPLETION:
                self.reply(200, json.dumps({"content": told.says}).encode())
            else:
                choice = {"index": 0, "message": {"role": "assistant", "content": told.says}}
                self.reply(200, json.dumps({"model": "tiny", "choices": [choice]}).encode())

        def reply(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def endless(self, slow: bool) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while not told.over.is_set():
                    self.wfile.write(b" " if slow else b" " * 65536)
                    time.sleep(0.05 if slow else 0)
            except OSError:
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield told
    finally:
        told.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
