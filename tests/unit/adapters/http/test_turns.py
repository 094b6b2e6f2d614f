"""How much of one turn of the loop one address gets."""

import asyncio

from node.adapters.http.turns import REQUEST_WORK, TURN_WORK, Turns


class Loop:
    """Counts its turns, and what was heard of whom in each."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.heard: list[str] = []

    async def flood(self, address: str, work: int = 1) -> None:
        while True:
            await self.turns.take(address, work)
            self.heard.append(address)
            if not len(self.heard) % 64:  # As the server does.
                await asyncio.sleep(0)

    async def say(self, address: str) -> None:
        await self.turns.take(address)
        self.heard.append(address)


async def ended(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_connections_of_one_address_leave_the_others_their_turn() -> None:
    loop = Loop()
    floods = [asyncio.create_task(loop.flood("a")) for _ in range(100)]
    for _ in range(20):
        await asyncio.sleep(0)
    before = len(loop.heard)
    await loop.say("b")
    assert len(loop.heard) - before - 1 <= TURN_WORK
    await ended(*floods)


async def test_who_is_alone_is_heard_in_every_turn() -> None:
    loop = Loop()
    floods = [asyncio.create_task(loop.flood("a", TURN_WORK)) for _ in range(3)]
    for turns in range(1, 10):
        await asyncio.sleep(0)
        assert len(loop.heard) >= turns - 1
    await ended(*floods)


async def test_connections_of_one_address_take_turns() -> None:
    turns, heard = Turns(), [0] * 9

    async def flood(place: int) -> None:
        while True:
            heard[place] += await turns.take("a")
            if not heard[place] % 64:  # As the server does.
                await asyncio.sleep(0)

    floods = [asyncio.create_task(flood(place)) for place in range(9)]
    for _ in range(40):
        await asyncio.sleep(0)
    assert max(heard) - min(heard) <= TURN_WORK
    assert min(heard) > TURN_WORK
    await ended(*floods)


async def test_a_request_counts_as_many_messages() -> None:
    loop = Loop()
    requests = [asyncio.create_task(loop.flood("a", REQUEST_WORK)) for _ in range(2 * TURN_WORK)]
    await asyncio.sleep(0)
    assert len(loop.heard) == TURN_WORK // REQUEST_WORK
    await ended(*requests)


async def test_a_request_that_waited_leaves_its_address_the_rest_of_the_turn() -> None:
    turns, numbers = Turns(), list[int]()

    async def ask() -> None:
        for _ in range(TURN_WORK // REQUEST_WORK + 1):
            await turns.take("a", REQUEST_WORK)
            numbers.append(turns.number)

    asking = asyncio.create_task(ask())
    await turns.take("a", TURN_WORK)
    await asking
    assert numbers == [1] * (TURN_WORK // REQUEST_WORK) + [2]


async def test_who_goes_while_he_waits_holds_up_nobody() -> None:
    loop = Loop()
    flood = asyncio.create_task(loop.flood("a"))
    for _ in range(3):
        await asyncio.sleep(0)
    gone = [asyncio.create_task(loop.say("a")) for _ in range(2 * TURN_WORK)]
    await asyncio.sleep(0)
    last = asyncio.create_task(loop.say("a"))
    await asyncio.sleep(0)
    await ended(flood, *gone)
    await asyncio.wait_for(last, 5)
