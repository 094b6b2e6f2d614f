"""A fresh machine gets what was tested, from wherever it fetches its packages."""

import os
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from typing import Any

import pytest

from tests.architecture.sources import TOP, Source, sources_under

LOCKS = {
    "requirements.lock": ("dependencies", "dev"),
    "requirements-bench.lock": ("bench",),
    "requirements-ccxt.lock": ("ccxt",),
}
SCRIPTS = ("bench", "ccxt", "check", "demo", "replay", "test")


def project() -> dict[str, Any]:
    loaded: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    return loaded


def canonical(requirement: str) -> str:
    """Return the name in a requirement, spelt as package indexes spell it."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def addresses(lock: str) -> list[str]:
    """Return the lines that tell where something was fetched from."""
    marks = re.compile(r"://|--index|--find-links|--extra|file:| @ |/\w+/")
    return [line for line in lock.splitlines() if marks.search(line)]


def unhashed(lock: str) -> list[str]:
    """Return the pinned packages that no hash follows."""
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    pinned = [entry for entry in entries if "==" in entry]
    return [canonical(entry) for entry in pinned if "--hash=sha256:" not in entry]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_hashes_and_no_address(name: str) -> None:
    lock = (TOP / name).read_text("utf-8")
    assert "==" in lock
    assert addresses(lock) == []
    assert unhashed(lock) == []


def test_an_address_or_a_missing_hash_is_found() -> None:
    assert len(addresses("--index-url https://example.test/simple\nweb3==8.0.0 \\\n")) == 1
    assert unhashed("web3==8.0.0\nrich==15.0.0 \\\n    --hash=sha256:00\n") == ["web3"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_direct_dependency_is_locked(name: str) -> None:
    wanted = project()["optional-dependencies"] | {"dependencies": project()["dependencies"]}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (TOP / name).read_text("utf-8"), re.MULTILINE))
    direct = {canonical(entry) for group in LOCKS[name] for entry in wanted[group]}
    assert direct - locked == set()


def undeclared(sources: Iterable[Source], declared: set[str]) -> set[str]:
    """Return the installed packages that are imported and that ``declared`` does not hold.

    What is not installed is imported on demand alone, from a lock file of its own.
    """
    imported = {target.partition(".")[0] for source in sources for _, target in source.imports}
    providers = packages_distributions()
    return {
        module
        for module in imported - sys.stdlib_module_names - {"node", "tests"}
        if module in providers and declared.isdisjoint(map(canonical, providers[module]))
    }


def test_what_is_imported_is_declared() -> None:
    extras = project()["optional-dependencies"]
    for_all = {canonical(entry) for entry in project()["dependencies"]}
    for_node = for_all | {canonical(e) for name in ("cluster", "postgresql") for e in extras[name]}
    for_tests = for_all | {canonical(entry) for extra in extras.values() for entry in extra}
    assert undeclared(sources_under("node"), for_node) == set()
    assert undeclared(sources_under("tests"), for_tests) == set()
    source = Source.parse("node/app/x.py", "import json, web3\nfrom eth_utils import keccak")
    assert undeclared([source], {"web3"}) == {"eth_utils"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_sets_up_what_it_needs(name: str) -> None:
    path = TOP / "scripts" / name
    assert os.access(path, os.X_OK)
    assert "scripts/bootstrap" in path.read_text("utf-8")


def test_the_version_stands_in_one_place() -> None:
    assert project()["dynamic"] == ["version"]
    places = [source.path for source in sources_under("node") if "__version__ = " in source.text]
    assert places == ["node/__init__.py"]
