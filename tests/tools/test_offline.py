"""The tests and the chapters can't leave this machine, nor can the processes that they start."""

import os
import socket
import subprocess
import sys

import httpx
import pytest

FETCH = "import urllib.request; urllib.request.urlopen('http://example.com', timeout=5)"


@pytest.mark.parametrize("host", ["example.com", "10.1.2.3", "2001:db8::1"])
def test_hosts_outside_are_refused(host):
    with pytest.raises(RuntimeError, match="outside this machine"):
        socket.create_connection((host, 80), timeout=2)


def test_http_clients_are_refused():
    with pytest.raises(RuntimeError, match="outside this machine"):
        httpx.get("https://huggingface.co")


def test_datagrams_are_refused():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        pytest.raises(RuntimeError, match="outside this machine"),
    ):
        sender.sendto(b"x", ("192.0.2.1", 9))


def test_child_processes_are_refused():
    done = subprocess.run([sys.executable, "-c", FETCH], capture_output=True, text=True)
    assert done.returncode == 1
    assert "NetworkBlocked" in done.stderr


def test_loopback_and_unix_sockets_work(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()) as client:
            client.sendall(b"hello")
            assert server.accept()[0].recv(5) == b"hello"
    left, right = socket.socketpair()
    left.sendall(b"x")
    assert right.recv(1) == b"x"


def test_the_hub_is_off():
    assert os.environ["HF_HUB_OFFLINE"] == "1"
