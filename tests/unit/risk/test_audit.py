"""The audit draws cold positions only, and finds what nobody knows of."""

import pytest
from scipy.special import bdtr

from node.risk.audit import Audit, upper_bound
from tests.unit.risk.risk_cases import address, position, view_of


def test_the_bound_is_the_share_at_which_so_few_hits_are_just_that_unlikely() -> None:
    for hits, trials in ((0, 10), (3, 500), (40, 100)):
        bound = upper_bound(hits, trials, 0.95)
        assert bdtr(hits, trials, bound) == pytest.approx(0.05)
    # The rule of three: nothing in n trials bounds the share by about 3/n.
    assert upper_bound(0, 3_000, 0.95) == pytest.approx(1e-3, rel=0.01)
    assert upper_bound(0, 0, 0.95) == 1.0
    assert upper_bound(5, 5, 0.95) == 1.0


def test_a_liquidatable_position_that_nobody_knows_of_is_counted() -> None:
    view = view_of(*(position(n, 100, 1_000, 1 if n == 7 else 50_000) for n in range(20)))
    view.mark = 995
    audit = Audit(seed=1, per_round=20)
    for account in view.holdings:
        audit.enter(account)
    audit.run(view, warm=(), known=())
    assert (audit.samples, audit.misses) == (20, 1)
    audit.run(view, warm=(), known={address(7)})
    assert (audit.samples, audit.misses) == (39, 1)
    audit.run(view, warm=set(view.holdings), known=())
    assert (audit.samples, audit.misses) == (39, 1)


def test_draws_follow_the_seed_and_reach_everybody_in_time() -> None:
    view = view_of(*(position(n, 100, 1_000, 50_000) for n in range(30)))
    view.mark = 1_000

    def looked_at(seed: int, rounds: int) -> list[bytes]:
        seen: list[bytes] = []

        class Noting:
            def __contains__(self, account: object) -> bool:
                assert isinstance(account, bytes)
                seen.append(account)
                return False

        audit = Audit(seed=seed, per_round=3)
        for account in view.holdings:
            audit.enter(account)
        for _ in range(rounds):
            audit.run(view, warm=Noting(), known=())
        assert audit.samples == 3 * rounds
        return seen

    assert looked_at(1, 5) == looked_at(1, 5)
    assert looked_at(1, 5) != looked_at(2, 5)
    assert set(looked_at(1, 200)) == set(view.holdings)


def test_who_left_is_never_drawn() -> None:
    view = view_of(*(position(n, 100, 1_000, 50_000) for n in range(4)))
    view.mark = 1_000
    audit = Audit(seed=1, per_round=10)
    for account in view.holdings:
        audit.enter(account)
        audit.enter(account)
    for number in (3, 0, 0, 9):
        audit.leave(address(number))
        view.holdings.pop(address(number), None)
    audit.run(view, warm=(), known=())
    assert audit.samples == 2
    audit.leave(address(1))
    audit.leave(address(2))
    audit.run(view, warm=(), known=())
    assert audit.samples == 2
