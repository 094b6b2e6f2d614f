"""The keys of the history and their ranges."""

import msgspec
import pytest

from node.history.config import HistoryConfig, check_history_config
from node.types.errors import ConfigInvalid


def test_the_defaults_are_allowed() -> None:
    check_history_config(HistoryConfig())


@pytest.mark.parametrize("url", ["sqlite:////data/h.sqlite", "postgresql+psycopg://db/history"])
def test_both_databases_are_allowed(url: str) -> None:
    check_history_config(HistoryConfig(url=url))


def test_all_faults_are_told_at_once_and_no_password() -> None:
    wrong = msgspec.structs.replace(
        HistoryConfig(), queue_blocks=1, query_ms_max=0, url="mysql://me:secret@db/history"
    )
    with pytest.raises(ConfigInvalid) as refused:
        check_history_config(wrong)
    keys = [fault.partition(":")[0] for fault in refused.value.faults]
    assert keys == ["queue_blocks", "query_ms_max", "url"]
    assert "secret" not in str(refused.value)
