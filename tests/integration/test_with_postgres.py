"""A PostgreSQL server for one command: there while it runs, and gone however it ends."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import OperationalError

from tests.integration.daemon import SOURCE

SCRIPT = SOURCE / "scripts" / "with-postgres"
NOT_INSTALLED = 69
NOT_STARTED = 70


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("exit 7", 7),
        ("kill -TERM $$", -signal.SIGTERM),
        ("kill -KILL $$", -signal.SIGKILL),
        # All that the terminal or a runner ends at once: whoever cleans up is not among them.
        ("kill -KILL 0", -signal.SIGKILL),
    ],
)
def test_the_command_s_end_is_told_and_nothing_is_left(end: str, code: int) -> None:
    with subprocess.Popen(
        [SCRIPT, "sh", "-c", f'echo "$PLIMSOLL_TEST_POSTGRES"; read -r go; {end}'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
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


def test_root_without_the_server_s_account_is_told_so(tmp_path: Path) -> None:
    for name, does in (
        ("initdb", "exit 0"),
        ("id", '[ "$*" = -u ] && echo 0'),
        ("runuser", "exit 1"),
    ):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        [SCRIPT, "true"],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == NOT_STARTED
    assert told.stderr.startswith("with-postgres: ")
