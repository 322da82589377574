"""GuestShell: files by guest operations, and which error the port promises for what."""

from __future__ import annotations

import pytest

from stsfix.remediation.errors import NodeFileError
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.transports.guest import GuestShell
from stsfix.snapshot.errors import GuestLoginError, HypervisorFaultError
from stsfix.snapshot.model import HostRef, VmId
from stsfix.snapshot.secret import Secret

VM = VmId(host=HostRef("esx1.lab.example"), moref="7", instance_uuid="u", name="vc1")
NODE = NodePlan(fqdn="vc1.lab.example", role=Role.EMBEDDED, vm=VM)


class Guest:
    """GuestOperations with files in memory; *error* is raised by every call."""

    def __init__(self, error=None):
        self.files = {}
        self.modes = {}
        self.error = error

    def put_file(self, vm, path, content, *, mode, user, password, limit):
        if self.error is not None:
            raise self.error
        self.files[path], self.modes[path] = content, mode

    def get_file(self, vm, path, *, user, password, limit, output_limit):
        if self.error is not None:
            raise self.error
        return self.files[path][:output_limit]


def shell(guest):
    """Return the port over *guest*."""
    return GuestShell(lambda vm: guest, lambda fqdn: ("root", Secret("pw")))


def test_names_itself_with_the_host():
    """Whoever asks which transport is used is told, without a login."""
    assert shell(None).describe(NODE) == "guest operations through esx1.lab.example"


def test_a_secret_file_is_put_for_its_owner_alone():
    """Without a mode the file is 0600; a secret is revealed to the wire only."""
    guest = Guest()

    shell(guest).put(NODE, "/root/key", Secret(b"key"))

    assert guest.files == {"/root/key": b"key"}
    assert guest.modes == {"/root/key": 0o600}


def test_a_file_of_just_the_limit_is_read():
    """The limit itself is allowed, one byte more is not."""
    guest = Guest()
    guest.files["/root/a"] = b"12345"

    assert shell(guest).get(NODE, "/root/a", limit_bytes=5) == b"12345"
    with pytest.raises(NodeFileError, match="larger than 4 bytes"):
        shell(guest).get(NODE, "/root/a", limit_bytes=4)


def test_what_the_guest_says_of_a_file_is_an_error_of_the_file():
    """FileNotFound and permissions name path and node."""
    guest = Guest(HypervisorFaultError("vc1", "FileNotFound", ""))

    for attempt in (
        lambda: shell(guest).get(NODE, "/root/a"),
        lambda: shell(guest).put(NODE, "/root/a", b""),
    ):
        with pytest.raises(NodeFileError) as caught:
            attempt()
        assert str(caught.value) == "/root/a on vc1.lab.example: FileNotFound"


def test_a_refused_login_stays_what_it_is():
    """Nobody may take it for a missing file."""
    with pytest.raises(GuestLoginError):
        shell(Guest(GuestLoginError(VM, "root"))).get(NODE, "/root/a")


@pytest.mark.parametrize("path", ["", "relative", "/a\nb", "/a\0b"])
def test_a_path_is_absolute_and_one_line(path):
    """Anything else is a bug of the caller."""
    with pytest.raises(ValueError, match="not an absolute path"):
        shell(Guest()).put(NODE, path, b"")
