"""What happened, and each reader who goes on where it was."""

import asyncio

import pytest

from node.client.ccxt_news import Gap, News, Taking


async def taken(news: News, reader: str) -> tuple[Gap | None, list[object]]:
    async with news.taking(reader) as told:
        return told.gap, told.items


async def test_each_reader_of_the_news_goes_on_where_it_was() -> None:
    news = News(10)
    for number in range(15):
        news.add(number)
    assert await news.take("BTC-PERP") == list(range(5, 15))
    waiting = [asyncio.ensure_future(news.take("BTC-PERP")) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(one.done() for one in waiting)
    news.add("more")
    assert await asyncio.gather(*waiting) == [["more"], ["more"]]
    assert (await news.take("ETH-PERP"))[-2:] == [14, "more"]


async def test_who_fails_over_the_news_has_not_taken_it() -> None:
    news = News(10)
    news.add(1)

    async def fail() -> None:
        async with news.taking():
            news.add(2)
            raise TimeoutError

    with pytest.raises(TimeoutError):
        await fail()
    async with news.taking() as told:
        # Another that asks for the same meanwhile hears the same, and what came since.
        news.add(3)
        assert await news.take() == [*told.items, 3] == [1, 2, 3]
    waiting = asyncio.ensure_future(news.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_of_one_name_the_last_is_kept_and_pushes_nothing_out() -> None:
    news = News(2)
    for number in range(9):
        news.add(number, "BTC-PERP")
        news.add(-number, "ETH-PERP")
    assert await taken(news, "") == (None, [8, -8])
    news.add(9, "BTC-PERP")
    assert await taken(news, "") == (None, [9])


async def test_who_falls_behind_is_told_what_is_kept_no_more() -> None:
    news = News(2)
    news.begin(100)
    early = asyncio.ensure_future(taken(news, "early"))
    await asyncio.sleep(0)
    early.cancel()
    for at in (101, 102, 103):
        news.add(f"of {at}", at=at)
    # Who never asked begins with what is kept; who asked, and has not been told anything, does not.
    assert await taken(news, "late") == (None, ["of 102", "of 103"])
    assert await taken(news, "early") == (Gap(100, 101), ["of 102", "of 103"])
    for at in (104, 105, 106):
        news.add(f"of {at}", at=at)
    for reader in ("late", "early"):
        assert await taken(news, reader) == (Gap(103, 104), ["of 105", "of 106"])


async def test_of_what_is_let_go_nothing_is_told_again() -> None:
    news = News(2)
    for at in (1, 2, 3):
        news.add(at, at=at)

    async def give_up(count: int, told: list[Taking]) -> None:
        async with news.taking() as taking:
            told.append(taking)
            taking.let_go(count)
            raise TimeoutError

    told: list[Taking] = []
    for count in (0, 1):
        with pytest.raises(TimeoutError):
            await give_up(count, told)
    assert [one.first for one in told] == [True, False]
    assert [one.items for one in told] == [[2, 3], [2, 3]]
    async with news.taking() as last:
        assert last.items == [3]
        last.let_go(0)
    assert await news.take() == [3]
