"""Which transport is chosen."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest
import respx

from solvestream import _http
from solvestream._http import open_transport
from solvestream._http.httpx_adapter import HttpxTransport
from solvestream._http.pool import Pool
from solvestream._wire import Broken, Origin, Sent, Trouble
from tests.http.scripted import KEY, get, post

pytestmark = pytest.mark.anyio
KINDS = "loops"
FAR = Origin("https", "service.test", 443)


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
async def test_respx_just_works(anyio_backend, using):
    """Under respx the default transport goes through httpx and meets the mock."""
    chosen = httpx.AsyncClient() if using == "httpx" else None
    with respx.mock(using=using) as mock:
        mock.get("https://service.test/res.php").respond(200, text="CAPCHA_NOT_READY")
        mock.post("https://service.test/in.php").mock(side_effect=httpx.ConnectError)
        transport = open_transport(chosen)
        assert isinstance(transport, HttpxTransport)
        got = await transport.send(get(FAR))
        assert (got.status, got.body) == (200, b"CAPCHA_NOT_READY")
        refused = post(FAR)
        refused.target = "/in.php"
        got = await transport.send(refused)
        # A mock between client and transport is no stock transport, so it proves nothing.
        proved = Sent.NOTHING if using == "httpcore" else Sent.UNKNOWN
        assert (got.trouble, got.sent) == (Trouble.CONNECT, proved)
        got = await transport.send(post(Origin("https", "other.test", 443)))
        assert isinstance(got, Broken)
        assert KEY not in repr(got)
        await transport.aclose()
    if chosen is not None:
        await chosen.aclose()


async def test_choice_of_transport(library, anyio_backend):
    """Our pool on asyncio, httpx on trio, and what is given where it is given."""
    transport = open_transport()
    on_trio = anyio_backend[0] == "trio"
    assert isinstance(transport, HttpxTransport if on_trio else Pool)
    await transport.aclose()
    assert isinstance(open_transport(library.MockTransport(lambda request: None)), HttpxTransport)
    with pytest.raises(TypeError, match="http="):
        open_transport(42)
    with pytest.raises(TypeError, match="proxy="):
        HttpxTransport(library.MockTransport(lambda request: None), proxy="http://p:1")


def test_wrapped_transport_is_not_a_mock(monkeypatch):
    """Tracing tools wrap the same method; that does not turn our pool off."""
    import functools

    real = httpx.AsyncHTTPTransport.handle_async_request

    @functools.wraps(real)
    async def traced(self, request):
        return await real(self, request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", traced)
    assert not _http._is_mocked()


def test_without_httpx_loaded_nothing_is_mocked(monkeypatch):
    """The question itself does not import httpx."""
    monkeypatch.delitem(sys.modules, "httpx")
    monkeypatch.delitem(sys.modules, "httpcore")
    assert not _http._is_mocked()
    assert "httpx" not in sys.modules


def test_pool_does_not_import_httpx():
    """The default transport is opened and used without httpx."""
    code = (
        "import sys; from solvestream._http import open_transport; open_transport();"
        "sys.exit('httpx' in sys.modules or 'httpcore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
