"""A language model's server for tests: speaks the chat protocol over real HTTP, and says what it is told to say."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
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
    language_server = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            language_server.asked.append((self.path, order))
            if language_server.manner == "stall":
                language_server.over.wait(20)
                return
            if language_server.manner == "error" or (language_server.manner == "llama" and self.path != COMPLETION):
                self.reply(500 if language_server.manner == "error" else 404, b"{}")
            elif language_server.manner == "garbage":
                self.reply(200, b"\x00\xff<html>no</html>")
            elif language_server.manner == "empty":
                self.reply(200, b'{"choices": []}')
            elif language_server.manner in ("drip", "flood"):
                self.endless(language_server.manner == "drip")
            elif self.path == COMPLETION:
                self.reply(200, json.dumps({"content": language_server.says}).encode())
            else:
                choice = {"index": 0, "message": {"role": "assistant", "content": language_server.says}}
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
                while not language_server.over.is_set():
                    self.wfile.write(b" " if slow else b" " * 65536)
                    time.sleep(0.05 if slow else 0)
            except OSError:
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    language_server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield language_server
    finally:
        language_server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


_PROGRAM = """#!{python}
import http.server, json, os, sys

print("loading", sys.argv[sys.argv.index("--model") + 1])
if open(sys.argv[sys.argv.index("--model") + 1], "rb").read(4) != b"GGUF":
    print("error: failed to load model")
    sys.exit(1)
checks = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        global checks
        checks += 1
        self.reply(200 if checks > 2 else 503, {{"status": "ok"}})

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sentence = order["response_format"]["json_schema"]["schema"]["properties"]["sentences"]["items"]
        quote = next((q for q in sentence["properties"]["quote"]["enum"] if {word!r} in q), "")
        says = json.dumps({{"sentences": [{{"quote": quote, "text": {text!r}}}]}})
        self.reply(200, {{"model": "tiny", "choices": [{{"message": {{"content": says}}}}]}})

    def reply(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


with open({pid!r}, "w") as file:
    file.write(str(os.getpid()))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


def llama_server(folder: Path, word: str, text: str) -> Path:
    """Write a program that takes the options of llama.cpp's server, and return the file of its process's number.

    It keeps to the schema: it quotes the sentence with a word, and says a text.
    """
    folder.mkdir()
    program, pid = folder / "llama-server", folder / "pid"
    program.write_text(_PROGRAM.format(python=sys.executable, word=word, text=text, pid=str(pid)))
    program.chmod(0o755)
    return pid
