"""Projects that restrict or limit what is in them, or share with others."""

import base64
import ssl
import subprocess
from collections.abc import Mapping

from tests.live.support.project import Project
from tests.live.tool import Tool

from .scene import ABSENT, COPY, REPLACE, Scene

RESTRICTED = {"restricted": "true", "restricted.backups": "allow", "restricted.snapshots": "allow"}
SMALL = {"limits.memory": "64MiB", "limits.cpu": "1"}
IDS = "the project lets nobody set it"
GUARDED = {
    "*config.volatile.uuid*": IDS,
    "*config.volatile.cloud-init.instance-id": IDS,
    "snapshots.*config.volatile.*": IDS,
    "created_at": "what is moved in is new",
}
FULL = "the project's limit leaves no room for another one"


def _plain(project: Project) -> None:
    project.launch("web", config={"user.note": "kept"})
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "s1"})


def _limited_by_profile(project: Project) -> None:
    project.api("POST", "/1.0/profiles", {"name": "small", "config": SMALL})
    project.launch("web", profiles=["default", "small"])
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "s1"})


def _sized(project: Project) -> None:
    root = {"type": "disk", "path": "/", "pool": "bt", "size": "64MiB"}
    project.launch("web", devices={"root": root})


def _shared_volume(project: Project) -> None:
    url = "/1.0/storage-pools/default/volumes/custom"
    project.server.api("POST", url, {"name": f"of-{project.name}"})
    device = {"type": "disk", "pool": "default", "source": f"of-{project.name}", "path": "/data"}
    project.launch("web", devices={"data": device})


class Remote(Tool):
    """The tool by way of HTTPS, with a certificate of its own."""

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return super().environment({"INCUS_REMOTE": "far", **(more or {})})


def _with_certificate(tool: Tool, project: Project) -> Tool:
    """Give the tool a certificate that is good for the project alone."""
    server, folder = project.server, tool.folder / "incus-client"
    (folder / "servercerts").mkdir(parents=True)
    far = f"far: {{addr: '{server.https()}', protocol: incus}}"
    (folder / "config.yml").write_text(f"remotes: {{{far}}}\n")
    (folder / "servercerts/far.crt").write_bytes((server.dir / "server.crt").read_bytes())
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"]
    files = ["-keyout", str(folder / "client.key"), "-out", str(folder / "client.crt")]
    options = ["-nodes", "-subj", "/CN=test", "-days", "2"]
    subprocess.run([*command, *files, *options], check=True, capture_output=True)
    der = ssl.PEM_cert_to_DER_cert((folder / "client.crt").read_text())
    trusted = {"type": "client", "name": project.name, "certificate": base64.b64encode(der).decode()}
    server.api("POST", "/1.0/certificates", {**trusted, "restricted": True, "projects": [project.name]})
    return Remote(tool.socket, tool.folder)


SCENES = (
    Scene(name="restricted", build=_plain, config=RESTRICTED, differs=GUARDED),
    Scene(
        name="restricted-with-certificate",
        build=_plain,
        config=RESTRICTED,
        client=_with_certificate,
        versions=("7.0",),  # 6.0 shows such a client no storage pools
        differs=GUARDED,
        modes=(REPLACE, COPY, ABSENT),
    ),
    Scene(
        name="limited-by-profile",
        build=_limited_by_profile,
        config={"limits.memory": "1GiB", "limits.cpu": "8"},
        differs=GUARDED,
    ),
    Scene(
        name="limits-full",
        build=_limited_by_profile,
        config={"limits.memory": "64MiB", "limits.instances": "1", "limits.cpu": "1"},
        may_refuse={COPY: FULL, REPLACE: FULL},
        differs=GUARDED,
    ),
    Scene(
        name="disk-limit",
        build=_sized,
        config={"limits.disk": "200MiB"},
        differs=GUARDED,
    ),
    Scene(
        name="disk-limit-full",
        build=_sized,
        config={"limits.disk": "100MiB"},
        may_refuse={COPY: FULL, REPLACE: FULL},
        differs=GUARDED,
    ),
    Scene(name="profiles-of-default", build=_plain, config={"features.profiles": "false"}),
    Scene(name="volumes-of-default", build=_shared_volume, config={"features.storage.volumes": "false"}),
)
