"""Start and stop the server: in the foreground for `course serve`, in a thread for a notebook.

Loopback by default. On any other address a key is required, since everyone who can reach the
port can use the machine.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import uvicorn
from fastapi import FastAPI

from course_lib.architecture.decoder import Decoder
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.deployment.app import LOOPBACK, SERVED_MODEL_NAME, create_app
from course_lib.deployment.engine import Engine
from course_lib.deployment.patience import PatientProtocol
from course_lib.deployment.protocol import Limits


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    model: Decoder,
    tokenizer: Tokenizer,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve the model, where it is, until Ctrl-C or SIGTERM; answers under way are finished first.

    Raises ValueError for a public address without a key and for a port that is none, OSError for
    an address that can't be had. The address is printed once it is ours.
    """
    check_address(host, port, api_key)
    with listening(host, port) as listener:
        engine = Engine(model, tokenizer)
        hosts = LOOPBACK if is_loopback(host) else ("*",)
        app = create_app(engine, limits=limits, api_key=api_key, hosts=hosts)
        place = f"[{host}]" if ":" in host else host
        url = f"http://{place}:{listener.getsockname()[1]}/v1"
        print(f"model {SERVED_MODEL_NAME!r} at {url} (Ctrl-C ends it)", flush=True)
        uvicorn.Server(_config(app)).run([listener])


def check_address(host: str, port: int, api_key: str | None) -> None:
    """Raise ValueError where no server may or can stand, before a model is built or loaded."""
    if not is_loopback(host) and not api_key:
        raise ValueError(f"host={host!r} can be reached from outside: set an API key")
    if not 0 <= port <= 65_535:
        raise ValueError(f"port={port}: expected 1 to 65535, or 0 for a free one")


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises OSError that names the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(error.errno, f"{host}:{port} can't be had: {error.strerror}") from error


@contextmanager
def running(app: FastAPI, *, port: int = 0) -> Iterator[str]:
    """Run the application in a thread and give its base URL; always ended on leaving the block.

        with running(create_app(engine)) as url:
            client = openai.OpenAI(base_url=url, api_key="…")

    Port 0 lets the system choose a free one.
    """
    listener = listening("127.0.0.1", port)
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
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        log_level="warning",
        timeout_graceful_shutdown=20,
        limit_concurrency=256,  # open connections; past it uvicorn answers 503 by itself
        server_header=False,
    )
