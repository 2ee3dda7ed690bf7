from __future__ import annotations

import os
import signal
import socket

import pytest

from solvestream import CapSolver, Client, ImageToText, UsageError
from solvestream.cli.serve import latency, settings
from solvestream.server import DEFAULT_KEY, Latency, simulated_text
from tests.cli.conftest import picture, spawn

pytestmark = pytest.mark.anyio

PLAIN = {"engine": "simulate", "key": None, "slots": None, "max_image_bytes": 100}


def test_a_range_or_one_number_of_seconds():
    """`LOW:HIGH` is uniform, one number is fixed."""
    assert latency("2:6") == Latency(shape="uniform", low=2.0, high=6.0)
    assert latency("0.5") == Latency(low=0.5)


@pytest.mark.parametrize("text", ["", "x", "1:", ":2", "6:2", "-1", "1:2:3", "nan:1"])
def test_what_is_no_range_is_refused(text):
    """The message says what to give."""
    with pytest.raises(UsageError, match="give LOW:HIGH in seconds"):
        latency(text)


def test_settings_are_those_of_the_options():
    """What is not given stays as the service has it."""
    found = settings(**PLAIN, latency="1:2", seed=None, failure_rate=0.5)
    assert found.accounts[0].key == DEFAULT_KEY
    assert (found.latency.high, found.failure_rate, found.max_image_bytes) == (2.0, 0.5, 100)
    found = settings(**PLAIN | {"key": "mine", "slots": 3})
    assert (found.accounts[0].key, found.accounts[0].slots) == ("mine", 3)


def test_a_taken_port_is_said(command):
    """One line, and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("serve", "--engine", "simulate", "--port", port)
    assert done.code == 1
    assert f"solvestream: 127.0.0.1:{port}: Address already in use" in done.err
    assert "--port" in done.err


@pytest.mark.skipif(os.name == "nt", reason="signals")
async def test_it_serves_until_ctrl_c():
    """It prints its URL and how to point accounts at it, answers, and ends with 0."""
    with spawn("serve", "--engine", "simulate", "--port", 0, "--key", "made-up-own-key") as child:
        url = child.stdout.readline().decode().split()[-1]
        async with Client(CapSolver("made-up-own-key", base_url=url)) as client:
            result = await client.solve(ImageToText(picture(1)))
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert result.unwrap().text == simulated_text(picture(1))
    assert child.returncode == 0
    assert f"CaptchaAI(KEY, base_url='{url}')".encode() in err
    assert (
        f"CAPSOLVER_API_KEY=KEY solvestream solve --service capsolver --base-url {url}".encode()
        in err
    )
    assert b"made-up-own-key" not in err
