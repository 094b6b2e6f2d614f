"""Who may talk to the node through somebody's browser."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from node.adapters.http.config import HttpConfig, check_http_config
from node.adapters.http.origin_guard import origin_guard
from node.types.errors import ConfigInvalid, ForeignOrigin, UnknownHost

LOOPBACK = HttpConfig()
ELSEWHERE = HttpConfig(host="0.0.0.0")  # noqa: S104 - nothing listens here
NAMED = HttpConfig(host="0.0.0.0", hosts=("Trade.example",))  # noqa: S104
OPEN = HttpConfig(origins=("https://Desk.example",))


async def ask(config: HttpConfig, **headers: str) -> int:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response()

    response = await origin_guard(config)(make_mocked_request("GET", "/ws", headers), handler)
    return response.status


@pytest.mark.parametrize(
    ("config", "headers"),
    [
        (LOOPBACK, {"Host": "127.0.0.1:8480"}),
        (LOOPBACK, {"Host": "localhost:8480"}),
        (LOOPBACK, {"Host": "[::1]:8480"}),
        (LOOPBACK, {"Host": "192.168.1.5"}),
        (LOOPBACK, {}),
        (LOOPBACK, {"Host": "LocalHost:8480", "Origin": "http://localhost:8480"}),
        (ELSEWHERE, {"Host": "any.example"}),
        (ELSEWHERE, {"Host": "any.example", "Origin": "https://any.example"}),
        (NAMED, {"Host": "trade.example:443"}),
        (NAMED, {"Host": "localhost"}),
        (OPEN, {"Host": "localhost:8480", "Origin": "https://desk.example"}),
    ],
)
async def test_who_may_ask_is_let_in(config: HttpConfig, headers: dict[str, str]) -> None:
    assert await ask(config, **headers) == 200


@pytest.mark.parametrize(
    ("config", "host"),
    [
        (LOOPBACK, "evil.example"),
        (LOOPBACK, "evil.example:8480"),
        (LOOPBACK, "localhost.evil.example"),
        (LOOPBACK, "127.0.0.1.evil.example"),
        (NAMED, "evil.example"),
        (OPEN, "desk.example"),
    ],
)
async def test_a_name_bound_to_our_address_is_refused(config: HttpConfig, host: str) -> None:
    with pytest.raises(UnknownHost) as refused:
        await ask(config, Host=host, Origin=f"http://{host}")
    assert refused.value.host == host


@pytest.mark.parametrize(
    ("config", "origin"),
    [
        (LOOPBACK, "https://evil.example"),
        (LOOPBACK, "http://localhost:8481"),
        (LOOPBACK, "http://localhost"),
        (LOOPBACK, "null"),
        (LOOPBACK, ""),
        (ELSEWHERE, "https://evil.example"),
        (OPEN, "https://desk.example.evil.example"),
    ],
)
async def test_a_page_from_elsewhere_is_refused(config: HttpConfig, origin: str) -> None:
    with pytest.raises(ForeignOrigin):
        await ask(config, Host="localhost:8480", Origin=origin)
    with pytest.raises(ForeignOrigin):
        await ask(config, Origin=origin)


def test_names_and_origins_are_checked_together() -> None:
    check_http_config(HttpConfig(hosts=("a.example",), origins=("http://a.example:8080",)))
    with pytest.raises(ConfigInvalid) as refused:
        check_http_config(HttpConfig(hosts=("", "http://a"), origins=("*", "https://a/b")))
    keys = [fault.partition(":")[0] for fault in refused.value.faults]
    assert keys == ["hosts", "hosts", "origins", "origins"]
