"""What the server has no room for is said shortly, with what helps."""

import pytest

from incusbak.errors import OperationFailed, ServerError
from incusbak.kinds.common.no_room import ELSEWHERE, NO_ROOM_FOR_COPY, explaining
from incusbak.model.policies import Maps

RSYNC = (
    "POST /1.0/instances: Create instance from copy: Failed to run: rsync -a /x: exit status 11 (rsync: "
    '[receiver] write failed on "/var/lib/incus/storage-pools/small/containers/p_c/backup.yaml": No space '
    "left on device (28)\nrsync error: error in file IO (code 11) at receiver.c(657) [receiver=3.5.0])"
)
TAR = (
    "POST /1.0/instances: Create instance from backup: Error starting unpack: Failed to run: tar -xf - -C "
    "/var/lib/incus/storage-pools/small/containers/p_c: exit status 2 (tar: rootfs/bin/busybox: Wrote 1\n"
    "tar: rootfs/etc/group: Cannot write: No space left on device\ntar: Exiting with failure status)"
)
STAGED = "write /var/lib/incus/backups/instances/c1/b.tmp: no space left on device"
QUOTA = "Failed to run: tar -xf -: exit status 2 (tar: rootfs/x: Cannot write: Disk quota exceeded)"
LARGE = 'Error updating backup file: Backup config "/x/containers/c1/backup.yaml" is too large'


def explained(error: ServerError, hint: str) -> tuple[str, str]:
    with pytest.raises(ServerError) as told, explaining(hint=hint):
        raise error
    return told.value.message, told.value.hint


def test_a_full_pool_is_named_in_one_line() -> None:
    message, hint = explained(OperationFailed(RSYNC), NO_ROOM_FOR_COPY)
    assert message == (
        "pool small is full: rsync: [receiver] write failed on "
        '"/var/lib/incus/storage-pools/small/containers/p_c/backup.yaml": No space left on device (28)'
    )
    assert "--no-snapshot" in hint
    message, hint = explained(OperationFailed(TAR), ELSEWHERE)
    assert message == "pool small is full: tar: rootfs/etc/group: Cannot write: No space left on device"
    assert hint == "make room there, or use another with --pool-map small=NEW (in a policy: maps)"


def test_a_pool_is_mapped_by_the_name_that_the_backup_has() -> None:
    maps = Maps(pools={"large": "small"})
    with pytest.raises(ServerError) as told, explaining(hint=ELSEWHERE, maps=maps):
        raise OperationFailed(TAR)
    assert (told.value.message[:18], "--pool-map large=NEW" in told.value.hint) == (
        "pool small is full",
        True,
    )


def test_other_shortages_have_words_of_their_own() -> None:
    assert "storage.backups_volume" in explained(OperationFailed(STAGED), ELSEWHERE)[1]
    message, hint = explained(OperationFailed(QUOTA), ELSEWHERE)
    assert message == "it does not fit into its size: tar: rootfs/x: Cannot write: Disk quota exceeded)"
    assert "--pool-map" in hint
    message, hint = explained(OperationFailed(LARGE), ELSEWHERE)
    assert message == LARGE
    assert hint.startswith("its definition is larger than this server reads: take a version with fewer")


def test_what_is_explained_already_and_all_else_stays() -> None:
    known = OperationFailed(RSYNC, hint="do this")
    assert explained(known, ELSEWHERE) == (RSYNC, "do this")
    other = ServerError("it has its reasons")
    assert explained(other, ELSEWHERE) == ("it has its reasons", ServerError("").hint)
