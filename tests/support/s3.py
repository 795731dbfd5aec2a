"""A real S3 server of a test's own (moto): the protocol over HTTP on the loopback, the objects in its memory."""

import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from moto.server import ThreadedMotoServer

BUCKET = "kept-recordings"


@dataclass(frozen=True, slots=True)
class S3:
    """url and options as the settings have them."""

    url: str
    options: dict[str, str]
    server: ThreadedMotoServer

    def stop(self) -> None:
        """The server goes; what it kept is gone with it."""
        self.server.stop()


@contextmanager
def s3_server() -> Iterator[S3]:
    """With one empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT"), timeout=10):
        pass
    options = {"endpoint": endpoint, "access_key_id": "a", "secret_access_key": "b", "region": "us-east-1"}
    try:
        yield S3(f"s3://{BUCKET}/hotline", options, server)
    finally:
        server.stop()
