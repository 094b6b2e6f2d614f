"""The files of the page, as a browser asks for them."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import msgspec
import pytest

from node.adapters.http.config import HttpConfig
from tests.integration.api_node import WAIT_S, ApiNode, running_node

Ask = Callable[..., Awaitable[tuple[aiohttp.ClientResponse, bytes]]]

FILES = [
    ("/", "text/html"),
    ("/page/page.css", "text/css"),
    ("/page/main.js", "text/javascript"),
    ("/page/mark.svg", "image/svg+xml"),
    ("/page/plotly.min.js", "text/javascript"),
]


@pytest.fixture
async def node() -> AsyncIterator[ApiNode]:
    async with running_node(HttpConfig(write_timeout_s=0.2)) as node:
        yield node


@pytest.fixture
async def ask(node: ApiNode) -> AsyncIterator[Ask]:
    # Bodies stay as they were sent, and a path goes out as it is written here.
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def ask(
            path: str, method: str = "GET", **headers: str
        ) -> tuple[aiohttp.ClientResponse, bytes]:
            headers.setdefault("Accept-Encoding", "identity")
            async with session.request(method, node.url + path, headers=headers) as response:
                return response, await response.read()

        yield ask


@pytest.mark.parametrize(("path", "kind"), FILES)
async def test_a_file_is_served_and_then_known(ask: Ask, path: str, kind: str) -> None:
    whole, body = await ask(path)
    assert whole.status == 200
    assert whole.content_type == kind
    assert len(body) == int(whole.headers["Content-Length"]) > 100
    packed, small = await ask(path, **{"Accept-Encoding": "br, gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(small) < len(body)
    assert gzip.decompress(small) == body
    assert packed.headers["ETag"] != whole.headers["ETag"]
    for first in (whole, packed):
        again, nothing = await ask(
            path,
            **{
                "If-None-Match": first.headers["ETag"],
                "Accept-Encoding": first.headers.get("Content-Encoding", "identity"),
            },
        )
        assert (again.status, nothing) == (304, b"")
    other, _ = await ask(path, **{"If-None-Match": '"another"'})
    assert other.status == 200


@pytest.mark.parametrize(("path", "kind"), FILES)
async def test_head_tells_all_but_the_body(ask: Ask, path: str, kind: str) -> None:
    got, body = await ask(path)
    head, nothing = await ask(path, "HEAD")
    assert (head.status, nothing) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Content-Security-Policy"):
        assert head.headers[name] == got.headers[name]
    assert int(head.headers["Content-Length"]) == len(body)


@pytest.mark.parametrize(("path", "kind"), FILES)
async def test_a_browser_is_told_to_trust_nothing_else(ask: Ask, path: str, kind: str) -> None:
    response, _ = await ask(path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_page_holds_nothing_inline_and_nothing_from_elsewhere(ask: Ask) -> None:
    _, body = await ask("/")
    text = body.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    named = re.findall(r"(?:src|href)=\"([^\"#]+)\"", text)
    assert named
    for path in named:
        response, _ = await ask(path)
        assert (path[0], response.status) == ("/", 200)


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/index.html",
        "/page/page.css/",
        "/page/../page_files.py",
        "/page/%2e%2e/page_files.py",
        "/page/..%2fpage_files.py",
        "/page/%2e%2e%2f%2e%2e%2f%2e%2e%2fpyproject.toml",
        "/page//etc/passwd",
        "/page/plotly.min.js%00.css",
    ],
)
async def test_no_other_path_leads_to_a_file(node: ApiNode, path: str) -> None:
    # Written by hand, because a client would tidy the path.
    reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"404"
    assert msgspec.json.decode(body)["error"]["name"] == "NotFound"


async def test_a_foreign_page_gets_neither_socket_nor_figures(ask: Ask) -> None:
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
    }
    for path, headers in (("/ws", upgrade), ("/stats", {}), ("/", {})):
        response, body = await ask(path, Origin="https://evil.example", **headers)
        assert response.status == 403
        assert msgspec.json.decode(body)["error"]["name"] == "ForeignOrigin"
        response, body = await ask(path, Host="evil.example", **headers)
        assert response.status == 421
        assert msgspec.json.decode(body)["error"]["name"] == "UnknownHost"


async def test_one_address_that_reads_nothing_has_a_quarter_of_the_long_answers() -> None:
    async with running_node(HttpConfig(close_timeout_s=0.1)) as node, AsyncExitStack() as stack:
        port = node.server.port
        pairs = [await asyncio.open_connection("127.0.0.1", port, limit=1_024) for _ in range(40)]
        for _, writer in pairs:
            stack.callback(writer.transport.abort)
            writer.write(b"GET /page/plotly.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        session = await stack.enter_async_context(aiohttp.ClientSession(node.url))

        async def ask(path: str) -> tuple[int, bytes]:
            headers = {"Accept-Encoding": "identity"}
            async with session.get(path, headers=headers) as response:
                return response.status, await response.read()

        status, told = 200, b""
        async with asyncio.timeout(WAIT_S):
            while status == 200:
                status, told = await ask("/page/plotly.min.js")
        error = msgspec.json.decode(told)["error"]
        assert (status, error["values"]) == (503, {"queue": "page_of_an_address", "limit": 8})
        for path in ("/", "/page/page.css"):
            assert (await ask(path))[0] == 200


async def test_a_reader_that_stalls_is_cut_and_others_read_on(node: ApiNode, ask: Ask) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port, limit=1_024)
    writer.write(b"GET /page/plotly.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200" in await reader.readline()
    _, body = await ask("/page/plotly.min.js")
    got = 0
    # The node waits for this reader twice as long as it takes to be cut.
    await asyncio.sleep(1)
    try:
        while more := await reader.read(1 << 20):
            got += len(more)
    except ConnectionError:
        pass
    assert got < len(body)
    writer.close()
