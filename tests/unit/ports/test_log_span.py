"""How many blocks of logs are asked for: fewer after a refusal, more again after many answers."""

from node.ports.log_span import ANSWERS_BEFORE_MORE, LogSpan


def test_a_refused_span_is_halved_down_to_the_fewest() -> None:
    span = LogSpan(40, blocks_min=10)
    seen = []
    for _ in range(4):
        span.refused()
        seen.append((span.blocks, span.fewest))
    assert seen == [(20, False), (10, True), (10, True), (10, True)]
    odd = LogSpan(19, blocks_min=10)
    odd.refused()
    assert odd.blocks == 10
    small = LogSpan(4, blocks_min=10)
    small.refused()
    assert (small.blocks, small.fewest) == (4, True)


def test_a_single_block_is_the_fewest_there_is() -> None:
    span = LogSpan(3)
    for _ in range(3):
        span.refused()
    assert (span.blocks, span.fewest) == (1, True)


def test_more_is_tried_again_after_many_answers_in_a_row_and_never_more_than_allowed() -> None:
    span = LogSpan(30)
    span.refused()
    for _ in range(ANSWERS_BEFORE_MORE - 1):
        span.answered()
    assert span.blocks == 15
    span.answered()
    assert span.blocks == 30
    for _ in range(ANSWERS_BEFORE_MORE):
        span.answered()
    assert span.blocks == 30


def test_a_refusal_begins_the_count_anew() -> None:
    span = LogSpan(32)
    span.refused()
    for _ in range(ANSWERS_BEFORE_MORE - 1):
        span.answered()
    span.refused()
    span.answered()
    assert span.blocks == 8
