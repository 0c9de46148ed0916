"""Unmodified clients against the example service, started by its own command.

openstacksdk in this process, the `openstack` command and gophercloud in their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.examples import service

HERE = Path(__file__).resolve().parent
GOPATH = Path("/usr/share/gocode")
GOPHERCLOUD = GOPATH / "src/github.com/gophercloud/gophercloud"
MICROVERSION = "2.96"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Any]:
    with service.started("--auth", "tokens", "--mode", "timed", "--seconds", "0.02") as running:
        yield running


def _environment(cloud: Any, user: str, project: str) -> Mapping[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return {
        **clean,
        "OS_AUTH_URL": f"{cloud.url}/identity/v3",
        "OS_USERNAME": user,
        "OS_PASSWORD": "secret",
        "OS_PROJECT_NAME": project,
        "OS_TENANT_NAME": project,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_COMPUTE_API_VERSION": MICROVERSION,
        "OS_REGION_NAME": "RegionOne",
    }


# ------------------------------------------------------------------------------- openstacksdk


def _connect(cloud: Any, user: str, project: str) -> Any:
    openstack = pytest.importorskip("openstack", reason="openstacksdk is not installed")
    return openstack.connect(
        auth_url=f"{cloud.url}/identity/v3",
        username=user,
        password="secret",
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name="RegionOne",
        load_yaml_config=False,
        load_envvars=False,
        compute_default_microversion=MICROVERSION,
    )


quiet = pytest.mark.filterwarnings(  # the SDK warns of itself
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"
)


@quiet
def test_openstacksdk_goes_through_a_server_s_life(cloud: Any) -> None:
    exceptions = pytest.importorskip("openstack.exceptions", reason="openstacksdk is not installed")
    compute = _connect(cloud, "member", "demo").compute
    colleague = _connect(cloud, "colleague", "demo").compute
    server = compute.create_server(
        name="sdk", flavor_id=service.FLAVOR, image_id=service.IMAGE, networks="none"
    )

    def wait(status: str = "ACTIVE") -> Any:
        seen = compute.wait_for_server(server, status=status, interval=0.05, wait=30)
        assert seen.status == status
        return seen

    wait()
    compute.stop_server(server)
    wait("SHUTOFF")
    compute.start_server(server)
    wait()
    compute.resize_server(server, service.BIGGER_FLAVOR)
    assert wait("VERIFY_RESIZE").flavor.original_name == "m1.small"
    compute.confirm_server_resize(server)
    wait()
    compute.resize_server(server, service.FLAVOR)
    wait("VERIFY_RESIZE")
    compute.revert_server_resize(server)
    assert wait().flavor.original_name == "m1.small"
    colleague.lock_server(server, locked_reason="maintenance")
    with pytest.raises(exceptions.ConflictException, match="is locked"):
        compute.pause_server(server)
    assert compute.get_server(server.id).locked_reason == "maintenance"
    compute.unlock_server(server)
    compute.rescue_server(server)
    wait("RESCUE")
    compute.unrescue_server(server)
    wait()
    compute.shelve_server(server)
    wait("SHELVED_OFFLOADED")
    compute.unshelve_server(server)
    wait()
    assert next(iter(compute.server_actions(server))).action == "unshelve"
    compute.delete_server(server)
    compute.wait_for_delete(server, interval=0.05, wait=30)
    with pytest.raises(exceptions.NotFoundException):
        compute.get_server(server.id)


@quiet
def test_openstacksdk_pages_through_servers(cloud: Any) -> None:
    compute = _connect(cloud, "stranger", "other").compute
    mine = {cloud.create(f"page-{number}", actor="stranger") for number in range(5)}
    assert {each.id for each in compute.servers(details=False, limit=2)} == mine
    assert compute.find_server("page-3").id in mine


# -------------------------------------------------------------------------- the openstack command


def _openstack(cloud: Any, *arguments: str, text: str | None = None, user: str = "member") -> Any:
    command = Path(sys.executable).with_name("openstack")
    if not command.is_file():
        pytest.skip("python-openstackclient is not installed")
    project = "demo" if user == "member" else user
    return subprocess.run(
        [str(command), *arguments],
        env=dict(_environment(cloud, user, project)),
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
    )


LIFE = """
server create --flavor m1.tiny --image cirros --network private --wait cli
server list
server show cli
server stop cli
server start cli
server pause cli
server unpause cli
server resize --flavor m1.small --wait cli
server resize confirm cli
server lock --reason maintenance cli
server unlock cli
server rescue cli
server unrescue cli
server shelve --wait cli
server unshelve cli
server reboot --wait cli
"""


@pytest.fixture(scope="module")
def prompt_cloud() -> Iterator[Any]:
    """A service that has done its work when it answers: most commands cannot wait."""
    with service.started("--auth", "tokens") as running:
        yield running


def test_the_openstack_command_goes_through_a_server_s_life(prompt_cloud: Any) -> None:
    lines = LIFE.strip().splitlines()
    done = _openstack(prompt_cloud, text=LIFE.lstrip())
    assert "Client Error" not in done.stderr, done.stderr
    assert "private=192.0.2.30" in done.stdout
    (server,) = prompt_cloud.send("member", "GET", "/servers/detail").body["servers"]
    assert (server["status"], server["flavor"]["original_name"]) == ("ACTIVE", "m1.small")
    path = f"/servers/{server['id']}/os-instance-actions"
    requests = prompt_cloud.send("member", "GET", path).body["instanceActions"]
    asked = [line.split()[1] for line in lines[3:]]
    named = [each["action"] for each in reversed(requests)][1:]
    assert named == ["confirmResize" if at == 5 else name for at, name in enumerate(asked)]

    refused = _openstack(prompt_cloud, "server", "start", "cli")
    assert refused.returncode == 1
    message = f"Cannot 'start' instance {server['id']} while it is in vm_state active"
    assert message in refused.stderr

    deleted = _openstack(prompt_cloud, "server", "delete", "--wait", "cli")
    assert (deleted.returncode, deleted.stderr) == (0, "")
    assert prompt_cloud.send("member", "GET", "/servers").body == {"servers": []}


# -------------------------------------------------------------------------------- gophercloud


def test_gophercloud_goes_through_a_server_s_life(cloud: Any, tmp_path: Path) -> None:
    go = shutil.which("go")
    if go is None or not GOPHERCLOUD.is_dir():
        pytest.skip("needs golang-go and golang-github-gophercloud-gophercloud-dev")
    program = tmp_path / "gopher"
    settings = {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOCACHE": str(tmp_path / "cache")}
    environment = {**_environment(cloud, "member", "demo"), **settings}
    source = HERE / "gophercloud" / "main.go"
    subprocess.run([go, "build", "-o", str(program), str(source)], env=environment, check=True)
    words = (service.FLAVOR, service.IMAGE, service.BIGGER_FLAVOR)
    done = subprocess.run(
        [str(program), *words], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    seen = ["ACTIVE", "SHUTOFF", "ACTIVE", "VERIFY_RESIZE", "ACTIVE", "gone"]
    assert done.stdout.split() == seen
