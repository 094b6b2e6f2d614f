"""However a log is cut into batches, it ends at the same root."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from node.transition.batch_replica import BatchReplica
from node.transition.replay import Replica
from tests.examples import DOMAIN, RULES
from tests.unit.transition.example_log import ExampleLog, example_log

LOGS = {seed: example_log(seed, rounds=8) for seed in range(1, 4)}
ROOTS = {
    seed: Replica.genesis(RULES, DOMAIN).execute(log.commands)[-1].root
    for seed, log in LOGS.items()
}


def cuts_of(log: ExampleLog) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, len(log.blocks) - 1), unique=True, max_size=6).map(sorted)


@settings(max_examples=20)
@given(st.data())
def test_batches_cut_anywhere_end_at_the_root_of_one_pass(data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(sorted(LOGS)))
    log = LOGS[seed]
    edges = [0, *data.draw(cuts_of(log)), len(log.blocks)]
    replica = BatchReplica(Replica.genesis(RULES, DOMAIN), 0, trees_kept=2)
    copy = BatchReplica(Replica.genesis(RULES, DOMAIN), 0, trees_kept=2)
    for low, high in pairwise(edges):
        copy.replay(replica.seal(log.blocks[low:high], "age"))
    assert replica.root == copy.root == ROOTS[seed]
