"""The compose set-up holds together, as far as that can be known without a container engine."""

import json
import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.architecture.sources import TOP

OBSERVABILITY = TOP / "configs" / "observability"

_SAMPLES = {"histogram": ("_bucket", "_sum", "_count")}
"""What a kind adds to the name of its family; that of a counter is told with its `_total`."""


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text("utf-8"))
    return loaded


def missing_mounts(services: dict[str, Any]) -> list[str]:
    """Return the host paths that a service mounts and that the project does not hold."""
    volumes = [volume for service in services.values() for volume in service.get("volumes", ())]
    hosts = [volume.split(":")[0] for volume in volumes]
    return [host for host in hosts if host.startswith(".") and not (TOP / host).exists()]


def open_ports(services: dict[str, Any]) -> list[str]:
    """Return the published ports that are not bound to loopback."""
    ports = [str(port) for service in services.values() for port in service.get("ports", ())]
    return [port for port in ports if not port.startswith("127.0.0.1:")]


def unknown_metrics(dashboard: dict[str, Any], scrape: str) -> list[str]:
    """Return the names that a panel asks for and that ``scrape``, an answer of a node, lacks."""
    families = re.findall(r"^# TYPE (\w+) (\w+)$", scrape, re.MULTILINE)
    known = {name + suffix for name, kind in families for suffix in _SAMPLES.get(kind, ("",))}
    queries = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    ]
    asked = {name for query in queries for name in re.findall(r"\bplimsoll_\w+", query)}
    return sorted(asked - known)


def dashboards() -> list[dict[str, Any]]:
    files = sorted((OBSERVABILITY / "grafana" / "dashboards").glob("*.json"))
    return [json.loads(file.read_text("utf-8")) for file in files]


def test_the_services_are_the_node_its_chain_and_its_observers() -> None:
    assert set(compose()["services"]) == {"node", "anvil", "prometheus", "grafana"}


def test_every_mounted_path_exists() -> None:
    assert missing_mounts(compose()["services"]) == []
    assert missing_mounts({"node": {"volumes": ["./nowhere:/etc/nowhere:ro"]}}) == ["./nowhere"]


def test_the_chain_outlives_its_container_as_the_node_does() -> None:
    services = compose()["services"]
    config = tomllib.loads((TOP / "configs/compose.toml").read_text("utf-8"))
    anvil = services["anvil"]["command"]
    kept = {"node": config["data"], "anvil": anvil[anvil.index("--state") + 1]}
    for name, path in kept.items():
        volume, _, folder = services[name]["volumes"][0].partition(":")
        assert volume in compose()["volumes"]
        assert path.startswith(f"{folder}/")


@pytest.mark.parametrize("port", ["8080:8080", "0.0.0.0:8080:8080", "[::]:8080:8080"])
def test_ports_are_published_on_loopback_only(port: str) -> None:
    assert open_ports(compose()["services"]) == []
    assert open_ports({"node": {"ports": [port]}}) == [port]


def test_every_built_image_is_a_stage_of_the_dockerfile() -> None:
    dockerfile = (TOP / "Dockerfile").read_text("utf-8")
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", dockerfile, re.MULTILINE))
    built = [service["build"] for service in compose()["services"].values() if "build" in service]
    assert {build["target"] for build in built} == stages


def test_everything_the_dockerfile_copies_exists_and_is_not_ignored() -> None:
    dockerfile = (TOP / "Dockerfile").read_text("utf-8")
    kept = (TOP / ".dockerignore").read_text("utf-8").splitlines()
    copied = [
        path
        for arguments in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE)
        for path in arguments.split()[:-1]
    ]
    assert copied
    assert [path for path in copied if not (TOP / path).exists()] == []
    assert [path for path in copied if f"!{path}" not in kept] == []


def test_prometheus_scrapes_the_port_that_the_node_publishes() -> None:
    scraped = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text("utf-8"))
    targets = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    node = compose()["services"]["node"]
    assert targets == [f"node:{node['ports'][0].rpartition(':')[2]}"]
    config = tomllib.loads((TOP / "configs/compose.toml").read_text("utf-8"))
    # The node answers to no name that it was not given.
    assert targets[0].partition(":")[0] in config["http"]["hosts"]


def test_a_metric_with_a_wrong_suffix_is_found() -> None:
    """What a running node exports is held against the dashboards by ``test_load_line.py``."""
    scrape = "# TYPE plimsoll_fills_total counter\n# TYPE plimsoll_wait_seconds histogram\n"
    right = ["rate(plimsoll_fills_total[1m])", "rate(plimsoll_wait_seconds_bucket[1m])"]
    wrong = ["plimsoll_fills", "plimsoll_wait_seconds", "plimsoll_wait_seconds_total"]
    panels = [{"targets": [{"expr": query}]} for query in right + wrong]
    assert unknown_metrics({"panels": panels}, scrape) == wrong


def test_every_panel_uses_the_provisioned_source() -> None:
    provisioned = yaml.safe_load(
        (OBSERVABILITY / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8")
    )
    uids = {source["uid"] for source in provisioned["datasources"]}
    for dashboard in dashboards():
        panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
        assert panels
        assert {panel["datasource"]["uid"] for panel in panels} <= uids


def test_grafana_finds_the_dashboards_where_they_are_mounted() -> None:
    provider = yaml.safe_load(
        (OBSERVABILITY / "grafana/provisioning/dashboards/plimsoll.yml").read_text("utf-8")
    )
    folder = provider["providers"][0]["options"]["path"]
    volumes = compose()["services"]["grafana"]["volumes"]
    assert f"./configs/observability/grafana/dashboards:{folder}:ro" in volumes
