"""A node that only tells a story about its load: what the page is looked at and tested with.

It serves the page's real files and speaks the part of the protocol that the page uses. Its figures
are made of the real structures, so that they cannot drift from what a node tells.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from node.adapters.http.page_files import Page
from node.capacity.loadline import (
    Audit,
    Backlog,
    BatchLine,
    Delay,
    FeeLine,
    KindLine,
    Knee,
    KneeRange,
    LaneLine,
    Limit,
    LoadLine,
    MarkLine,
    RiskLine,
    StageLine,
)
from node.capacity.telemetry import RunsOn

START_MS = 1_760_090_400_000
STEP_S = 0.5
KNEE_PER_S = 3_900.0

STAGES: tuple[tuple[str, RunsOn, float, int | None], ...] = (
    ("ingress", "loop", 0.16, 4_096),
    ("verification", "pool", 0.71, 4_096),
    ("lane_taking", "loop", 0.0, 4_096),
    ("transition", "loop", 0.38, None),
    ("journal", "thread", 0.22, None),
    ("publisher", "loop", 0.17, 4_096),
    ("risk", "loop", 0.12, 4_096),
    ("batcher", "process", 0.44, 64),
    ("settlement", "l1", 0.58, 4_096),
    ("inbox", "l1", 0.21, None),
)
"""Name, place, busy share at the knee, and the limit of the queue."""

LANES = (
    ("system", 1_024),
    ("liquidation", 4_096),
    ("reducing", 4_096),
    ("resting", 4_096),
    ("taking", 4_096),
)

HOSTILE = "<img src=x onerror=alert(1)>"
"""A name that would run a script, were it ever taken for markup."""


def quiet() -> LoadLine:
    """Return what a node tells in its first moment: nearly everything is unknown."""
    stages = tuple(
        StageLine(name, place, None, None, None, 0, limit, 0, Backlog(0), None, None, {})
        for name, place, _, limit in STAGES
    )
    lanes = tuple(LaneLine(name, 0, limit, None, {}) for name, limit in LANES)
    return LoadLine(
        at_ms=START_MS, uptime_s=0.4, rate_per_s=0.0, stages=stages, lanes=lanes,
        kinds=(KindLine("place", 20_201, None, None, 40.402),), bottleneck=None,
        next_bottleneck=None, headroom=None, knee=Knee(), fee=None, risk=None, batches=None,
        marks=None, gate=None, refusals={}, conserved=True,
    )  # fmt: skip


def busy(moment: float, load: float | None = None) -> LoadLine:
    """Return the figures ``moment`` seconds after the start, at ``load`` times the knee."""
    if load is None:
        load = 0.42 + 0.22 * math.sin(moment / 23) + 0.05 * math.sin(moment / 3.1)
    rate = load * KNEE_PER_S
    over = max(0.0, load - 1)
    waiting = load / max(0.05, 1.15 - min(load, 1.05))
    refused = {"QueueDelay": round(4_100 * over), "RateLimited": 12} if over else {}
    return LoadLine(
        at_ms=START_MS + round(moment * 1_000),
        uptime_s=11_520 + moment,
        rate_per_s=rate,
        stages=tuple(_stage(*stage, load, waiting) for stage in STAGES),
        lanes=tuple(
            LaneLine(
                name=name,
                depth=round(6 * index * waiting + (3_900 * over if index > 2 else 0)),
                capacity=limit,
                waited_p99_ms=(1.1 + index**2 * waiting * (1 + 6 * over)),
                refused=refused if index > 2 else {},
            )
            for index, (name, limit) in enumerate(LANES)
        ),
        kinds=(KindLine("place", 20_201, 27.4, 1.9, 40.427),),
        bottleneck=Limit(
            "loop", KNEE_PER_S, "(1 - U0) / sum(v S) = (1 - 0.010) / 253.8 us"
        ),
        next_bottleneck=Limit("l1_bytes", 5_210.0, "94,500 B/s of batches / 18.1 B a command"),
        headroom=1 - load,
        knee=Knee(
            KneeRange(3_610.0, 3_905.0, 4_150.0), 3_844.0, START_MS - 5_400_000, "single"
        ),
        fee=FeeLine(
            price=round(12 * math.exp(4 * over)),
            floor=12,
            dearest="loop",
            backlogs={
                "loop": {"60": round(31_000 * load), "600": 12_400, "3600": 0},
                "l1_bytes": {"60": 0, "600": 9_150, "3600": 1_800},
            },
        ),
        risk=RiskLine(
            tiers={"near": 184, "watch": 2_911, "far": 48_205},
            detection_ms=Delay(1.9, 6.8 + 20 * over),
            late=0,
            audit=Audit(18_400, 0),
            reserve_work=96,
        ),
        batches=BatchLine(
            sealed=212, posted=211, safe=209, final=206, unposted=1, unposted_bytes=41_233,
            oldest_unposted_s=1.4, lag_s={"posted": 2.1, "safe": 6.4, "final": 14.8},
        ),
        marks=MarkLine(0.34, (), {"BTC-PERP": 410, "ETH-PERP": 655}),
        gate=None,
        refusals={"NonceUsed": 41, "PriceOutsideBand": 388, "InsufficientMargin": 1_207, **refused},
        conserved=True,
    )  # fmt: skip


def over_its_line(moment: float) -> LoadLine:
    """Return a node that carries too much, with every warning at once, and hostile names."""
    line = busy(moment, 1.18)
    return msgspec.structs.replace(
        line,
        gate="backlog",
        conserved=False,
        marks=MarkLine(41.5, ("ETH-PERP", HOSTILE), {"BTC-PERP": 410, HOSTILE: 12_655}),
        refusals={**line.refusals, HOSTILE: 77},
    )


def in_an_outage(moment: float) -> LoadLine:
    """Return a node that works on while its L1 takes nothing."""
    line = busy(moment, 0.42)
    stages = [
        msgspec.structs.replace(stage, limit_per_s=0.0, headroom=0.0, backlog=Backlog(9, 41_233))
        if stage.name == "settlement"
        else stage
        for stage in line.stages
    ]
    return msgspec.structs.replace(
        line,
        stages=tuple(stages),
        bottleneck=Limit("l1", 0.0, "takes nothing now: l1_outage"),
        next_bottleneck=line.bottleneck,
        headroom=0.0,
    )


def _stage(
    name: str, place: RunsOn, share: float, limit: int | None, load: float, waiting: float
) -> StageLine:
    # Those that share the loop fill it together.
    filled = load if place == "loop" else share * load
    depth = round(9 * waiting * share)
    return StageLine(
        name=name,
        runs_on=place,
        utilization=min(1.0, share * load),
        limit_per_s=KNEE_PER_S * load / filled,
        headroom=1 - filled,
        depth=depth,
        capacity=limit,
        held=depth,
        backlog=Backlog(
            depth,
            bytes=41_233 if place == "l1" else None,
            gas=1_661_000 if place == "l1" else None,
            drain_s=depth / KNEE_PER_S,
        ),
        wait_p99_ms=1.2 + 4 * waiting * share,
        service_p50_us=share / KNEE_PER_S * 1e6,
        refused={"QueueDelay": 702} if load > 1 and name == "lane_taking" else {},
    )


class StoryTeller:
    """Serves the page and pushes what ``tell`` returns, at the pace of a node or faster."""

    def __init__(self, tell: Callable[[float], LoadLine], step_s: float = STEP_S) -> None:
        """``tell`` gets the seconds since the story began; ``step_s`` passes between two pushes."""
        self.tell = tell
        self.step_s = step_s
        self.refuses = False
        self.moment = 0.0
        self.url = ""
        self._runner = web.AppRunner(web.Application(), shutdown_timeout=0.1)

    async def start(self, port: int = 0) -> None:
        """Listen."""
        application = web.Application()
        Page().add_to(application)
        application.router.add_get("/ws", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Hang up."""
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"channel": "hello", "version": 1})
        asked = msgspec.json.decode((await socket.receive(timeout=5)).data)
        assert (asked["method"], asked["params"]) == ("subscribe", {"channel": "load"})
        if self.refuses:
            error = {"code": 2006, "name": "RateLimited", "values": {}}
            await socket.send_json({"id": asked["id"], "error": error})
        else:
            await socket.send_json({"id": asked["id"], "result": {"channel": "load"}})
        with suppress(ConnectionError, aiohttp.ClientError):
            if self.refuses:
                await socket.receive()
            while not socket.closed:
                await socket.send_str(self._push().decode())
                await asyncio.sleep(self.step_s)
        return socket

    def _push(self) -> bytes:
        told: dict[str, Any] = msgspec.to_builtins(self.tell(self.moment))
        self.moment += STEP_S
        return msgspec.json.encode({"channel": "load", **told})


@asynccontextmanager
async def telling(
    tell: Callable[[float], LoadLine], step_s: float = STEP_S
) -> AsyncIterator[StoryTeller]:
    """Give a made-up node that serves the page."""
    teller = StoryTeller(tell, step_s)
    await teller.start()
    try:
        yield teller
    finally:
        await teller.stop()
