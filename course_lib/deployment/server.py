"""Start and stop the server: in the foreground for `course serve`, in a thread for a notebook.

Loopback by default. On any other address a key is required, since everyone who can reach the
port can use the machine.
"""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address

import uvicorn
from fastapi import FastAPI

from course_lib.architecture.decoder import Decoder
from course_lib.data.tokenization.voices import Voice
from course_lib.deployment.app import LOOPBACK, SERVED_MODEL_NAME, create_app
from course_lib.deployment.connection import Connection
from course_lib.deployment.engine import Engine
from course_lib.deployment.protocol import Limits


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_address(host: str, port: int, api_key: str | None) -> None:
    """Raise ValueError or OSError where `serve` would: before a model is built for it."""
    if not 0 <= port <= 65535:
        raise ValueError(f"port is {port}, expected 1 to 65535, or 0 for any free one")
    if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
        raise ValueError("the API key is empty or has other characters than visible ASCII")
    if not is_loopback(host) and not api_key:
        raise ValueError(
            f"host={host!r} can be reached from outside: set an API key (--api-key, or "
            "COURSE_API_KEY)"
        )
    _listen(host, port).close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise OSError(f"cannot listen on host={host!r}, port={port}: {why}") from error


def serve(
    model: Decoder,
    voice: Voice,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve the model, where it is, until Ctrl-C or SIGTERM; answers under way are finished first.

    Raises ValueError for a public address without a key or an impossible port, and OSError where
    the port can't be had.
    """
    check_address(host, port, api_key)
    name = f"[{host}]" if ":" in host else host
    hosts = (*LOOPBACK, name.lower()) if is_loopback(host) else ("*",)
    app = create_app(Engine(model, voice), limits=limits, api_key=api_key, hosts=hosts)
    with _listen(host, port) as listener:
        url = f"http://{name}:{listener.getsockname()[1]}/v1"
        print(f"model {SERVED_MODEL_NAME!r} at {url} (Ctrl-C ends it)", flush=True)
        uvicorn.Server(_config(app)).run([listener])


@contextmanager
def running(app: FastAPI, *, port: int = 0) -> Iterator[str]:
    """Run the application in a thread and give its base URL; always ended on leaving the block.

        with running(create_app(engine)) as url:
            client = openai.OpenAI(base_url=url, api_key="…")

    Port 0 lets the system choose a free one.
    """
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(_config(app))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server ended before it began; see its log above")
            thread.join(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


def _config(app: FastAPI) -> uvicorn.Config:
    server = app.state.server
    return uvicorn.Config(
        app,
        http=partial(Connection, limits=server.limits, metrics=server.metrics),
        ws="none",  # a WebSocket would come in beside the checks
        log_level="warning",
        timeout_graceful_shutdown=20,
        server_header=False,
    )
