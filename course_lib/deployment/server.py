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

    Raises ValueError for a public address without a key.
    """
    if not is_loopback(host) and not api_key:
        raise ValueError(f"host={host!r} can be reached from outside: set an API key")
    engine = Engine(model, tokenizer)
    hosts = LOOPBACK if is_loopback(host) else ("*",)
    app = create_app(engine, limits=limits, api_key=api_key, hosts=hosts)
    print(f"model {SERVED_MODEL_NAME!r} at http://{host}:{port}/v1 (Ctrl-C ends it)", flush=True)
    uvicorn.Server(_config(app, host=host, port=port)).run()


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


def _config(app: FastAPI, **address) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=20,
        limit_concurrency=256,  # open connections; past it uvicorn answers 503 by itself
        server_header=False,
        **address,
    )
