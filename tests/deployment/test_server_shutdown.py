"""`serve` in a process of its own: a signal ends it, but not the answer it is writing."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import openai
import pytest

from course_lib.deployment.app import SERVED_MODEL_NAME
from course_lib.deployment.quantize import quantize_model, save_quantized

SERVE = """
import sys, time
from pathlib import Path
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.deployment import engine, server
from course_lib.deployment.quantize import load_quantized
from course_lib.data.tokenization.voices import CourseVoice
whole = engine.Engine.tokens
def slow(self, prompt, sampling):
    for token in whole(self, prompt, sampling):
        time.sleep(0.05)
        yield token
engine.Engine.tokens = slow
folder = Path(sys.argv[1])
tokenizer = Tokenizer.load(folder / "tokenizer.json")
server.serve(load_quantized(folder), CourseVoice(tokenizer), port=int(sys.argv[2]))
"""


@pytest.fixture
def process(model, tokenizer, tmp_path):
    save_quantized(quantize_model(model), tmp_path)
    tokenizer.save(tmp_path / "tokenizer.json")
    with socket.socket() as reserved:  # bound and not listening: nobody else is given this port
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        command = [sys.executable, "-c", SERVE, str(tmp_path), str(port)]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        try:
            yield process, port
        finally:
            process.kill()
            process.wait()


def connect(process, port, seconds=300.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"no server on port {port}; exit code {process.poll()}")


def test_a_signal_lets_the_answer_finish(process):
    process, port = process
    connect(process, port)
    url = f"http://127.0.0.1:{port}/v1"
    with openai.OpenAI(base_url=url, api_key="-", max_retries=0, timeout=120) as client:
        stream = iter(
            client.chat.completions.create(
                model=SERVED_MODEL_NAME,
                messages=[{"role": "user", "content": "Where does Baben live?"}],
                max_tokens=30,
                stream=True,
            )
        )
        next(stream), next(stream)
        process.send_signal(signal.SIGTERM)
        assert list(stream)[-1].choices[0].finish_reason in ("length", "stop")
    assert process.wait(120) in (0, -signal.SIGTERM)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
