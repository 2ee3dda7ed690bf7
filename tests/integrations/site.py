"""A small site of one's own: a page of links, pages of images. For real crawlers."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from solvestream.server import simulated_text
from tests.integrations.hosting import PICTURE

PAGES, IMAGES = 5, 8


def expected(site):
    """The text in each image, by its address."""
    paths = [f"/page/{page}/{n}.png" for page in range(PAGES) for n in range(IMAGES)]
    return {site + path: simulated_text(_image(path)) for path in paths}


def _image(path):
    return PICTURE + path.encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kind = "text/html"
        if self.path.endswith(".png"):
            kind, body = "image/png", _image(self.path)
        elif self.path == "/":
            body = b"".join(b'<a href="/page/%d">page</a>' % page for page in range(PAGES))
        else:
            body = b"".join(
                b'<img src="%b/%d.png">' % (self.path.encode(), n) for n in range(IMAGES)
            )
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def serving_site():
    """Serve the site in a thread; yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
