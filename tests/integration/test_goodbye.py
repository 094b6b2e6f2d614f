"""How a connection ends: each side closes once, as RFC 6455 wants it; a browser complains else."""

import asyncio

from tests.integration.api_node import ApiNode, running_node
from tests.integration.api_sockets import shake_hands

CLOSE = b"\x88"
MASKED_CLOSE = b"\x88\x80" + bytes(4)


async def converse(node: ApiNode) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
    await shake_hands(reader, writer)
    return reader, writer


async def test_the_answer_to_a_goodbye_is_not_answered() -> None:
    async with running_node() as node:
        reader, writer = await converse(node)
        stopping = asyncio.create_task(node.server.stop())
        said = await reader.readuntil(b"2003 ShuttingDown")
        assert CLOSE in said
        writer.write(MASKED_CLOSE)
        assert await reader.read() == b""
        writer.close()
        await stopping


async def test_the_goodbye_of_a_client_is_answered_once() -> None:
    async with running_node() as node:
        reader, writer = await converse(node)
        writer.write(MASKED_CLOSE)
        said = await reader.read()
        writer.close()
        # Whatever the greeting still held, and then two bytes of head and the code 1000.
        assert said.endswith(b"\x88\x02\x03\xe8")
        assert said.count(CLOSE) == 1
