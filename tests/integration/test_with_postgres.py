"""A PostgreSQL server for one command: there while it runs, and gone however it ends."""

import signal
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import OperationalError

from tests.integration.daemon import SOURCE

NOT_INSTALLED = 69


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("end", "code"),
    [("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM), ("kill -KILL $$", -signal.SIGKILL)],
)
def test_the_command_s_end_is_told_and_nothing_is_left(end: str, code: int) -> None:
    script = SOURCE / "scripts" / "with-postgres"
    with subprocess.Popen(
        [script, "sh", "-c", f'echo "$PLIMSOLL_TEST_POSTGRES"; read -r go; {end}'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        if not said and process.wait() == NOT_INSTALLED:
            pytest.skip("no PostgreSQL server is installed")
        url = sql.make_url(said)
        with sql.create_engine(url).connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
            # Returns when whoever cleans up has ended too: it would tell of what goes wrong.
            _, errors = process.communicate("go\n")
            assert (process.returncode, errors) == (code, "")
            assert not Path(str(url.query["host"])).exists()
            with pytest.raises(OperationalError):
                connection.exec_driver_sql("SELECT 1")
            connection.invalidate()
