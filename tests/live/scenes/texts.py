"""Texts that YAML, JSON, tar or a terminal may take for something else; and very many of them."""

from tests.live.custom_volume import EXPIRES, Volume
from tests.live.portrait import furnish, rootfs
from tests.live.support import servers
from tests.live.support.project import Project

from .scene import Scene
from .subjects import CustomVolume

CONTROLS = "tab\tbell\abackspace\bescape\x1b[31m del\x7f nel\x85 bom\ufeff ls\u2028 ps\u2029"
ODD = f"{CONTROLS} ünï 日本 🦊 'q' \"qq\" {{{{ }}}} #: - &a *b !t"
LINES = "first\n  second\n\n\tthird\r\nfourth\n"


def _texts(project: Project) -> None:
    profile = {"name": "odd", "description": ODD, "config": {"user.odd": ODD, "user.lines": LINES}}
    project.api("POST", "/1.0/profiles", profile)
    project.launch("web", profiles=["default", "odd"], config={"user.lines": LINES})
    project.api("PATCH", "/1.0/instances/web", {"description": LINES})
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "before"})
    project.api("PATCH", "/1.0/instances/web", {"description": ODD, "config": {"user.odd": ODD}})
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "after"})


def _volume_texts(project: Project) -> None:
    volume = Volume(project)
    volume.make(description=ODD, config={"user.odd": ODD, "user.lines": LINES})
    volume.snapshot("s1", description=LINES)
    (volume.folder() / "file").write_bytes(b"data")


def _user_keys(project: Project) -> None:
    """What cloud-init is given, keys of the user's own, and what looks like another type in YAML."""
    keys = {"number": "007", "yes": "yes", "null": "null", "date": "2020-01-02", "float": "1e3", "tilde": "~"}
    config = {
        "cloud-init.user-data": "#cloud-config\nruncmd:\n  - [ls, \"-l\"]\n# '{{ }}' ü\n",
        **{f"user.{key}": value for key, value in keys.items()},
        "user.long": "x" * 5000,
        "user.blank": " leading and trailing ",
        "environment.LANG": "C.UTF-8",
    }
    project.launch("web", config=config)


def _many_snapshots(project: Project) -> None:
    project.launch("web", pool="bt", config={"snapshots.expiry": "5d"}, start=False)
    for number in range(30):
        snapshot = {"name": f"s{number:02}", "expires_at": f"209{number % 10}-01-02T03:04:05Z"}
        project.api("POST", "/1.0/instances/web/snapshots", snapshot)


def _other_profiles(project: Project) -> None:
    """The snapshot is of a time when other profiles were used, one of which is in use no longer."""
    for name in ("old", "new"):
        project.api("POST", "/1.0/profiles", {"name": name, "config": {"user.age": name}})
    project.launch("web", profiles=["default", "old"])
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "s1", "expires_at": EXPIRES})
    project.api("PATCH", "/1.0/instances/web", {"profiles": ["default", "new"]})


def _long_index(project: Project) -> None:
    """The server reads no more than a mebibyte of an archive's index; each text is in it three times."""
    project.launch("web", config={f"user.k{number}": "x" * 60_000 for number in range(5)}, start=False)


def _all_files(project: Project) -> None:
    project.launch("web")
    furnish(rootfs(project, "web") / "srv")
    project.api("POST", "/1.0/instances/web/snapshots", {"name": "s1"})


def _odd_volume(name: str, *, called: str, versions: tuple[str, ...] = servers.VERSIONS) -> Scene:
    def build(project: Project) -> None:
        volume = Volume(project, name)
        volume.make()
        (volume.folder() / "file").write_bytes(b"data")

    return Scene(name=called, build=build, subject=CustomVolume(name), versions=versions)


SCENES = (
    Scene(name="texts", build=_texts),
    Scene(name="volume-texts", build=_volume_texts, subject=CustomVolume()),
    Scene(name="user-keys", build=_user_keys),
    Scene(name="many-snapshots", build=_many_snapshots),
    Scene(name="other-profiles", build=_other_profiles),
    Scene(name="long-index", build=_long_index),
    Scene(name="all-files", build=_all_files),
    _odd_volume(".hid", called="hidden-volume", versions=("6.0",)),  # 7.0 refuses such names
    _odd_volume("a\tb", called="volume-with-tab", versions=("6.0",)),
    _odd_volume("a.b_c-D", called="volume-with-marks"),
)
