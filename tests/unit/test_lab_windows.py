"""A Windows node of the lab: its programs, who may log in, and who may write where."""

from __future__ import annotations

import copy
import time

import pytest

from stsfix.lab.disk import Role, WindowsSetup
from stsfix.lab.seams import GuestRefusedError
from windows_node import BareWindows, windows_disk

SECRET = "pa ss'\"$*wörd"
SYSTEM32 = "C:\\Windows\\System32"
CMD = f"{SYSTEM32}\\cmd.exe"
UAC = WindowsSetup(filtered=("vcadmin",))
PRIVATE = '"{}" /inheritance:r /grant:r *S-1-5-32-544:(OI)(CI)F *S-1-5-18:(OI)(CI)F'


def windows(setup: WindowsSetup | None = None, role: Role = Role.EMBEDDED) -> BareWindows:
    """Return a node with what a test wants of it."""
    return BareWindows(windows_disk(role, setup))


def started(node: BareWindows, user: str, path: str, arguments: str) -> int | None:
    """Start a program, wait for its end, and return its exit code."""
    pid = node.tools.start_program(user, SECRET, path, arguments)
    for _ in range(500):
        (program,) = node.tools.list_programs(user, SECRET, [pid])
        if program.ended is not None:
            return program.exit_code
        time.sleep(0.01)
    raise AssertionError("the program did not end")


@pytest.mark.parametrize("user", ["Administrator", "ADMINISTRATOR", ".\\Administrator"])
def test_administrators_may_log_in(user):
    """Names are taken in any case, with or without a domain."""
    assert windows().tools.list_programs(user, SECRET, ()) == []


@pytest.mark.parametrize(("user", "password"), [("root", SECRET), ("Administrator", "wrong")])
def test_others_may_not(user, password):
    """An unknown user and a wrong password look the same."""
    with pytest.raises(GuestRefusedError, match="InvalidGuestLogin"):
        windows().tools.list_programs(user, password, ())


def test_wrong_passwords_lock_the_account():
    """After three wrong ones the right one is refused too."""
    node = windows()
    for _ in range(3):
        with pytest.raises(GuestRefusedError):
            node.tools.list_programs("Administrator", "wrong", ())

    with pytest.raises(GuestRefusedError, match="InvalidGuestLogin"):
        node.tools.list_programs("Administrator", SECRET, ())


def test_there_is_no_bash():
    """Nothing of an appliance is there to be started."""
    with pytest.raises(GuestRefusedError, match="FileNotFound"):
        windows().tools.start_program("Administrator", SECRET, "/bin/bash", "-c true")


def test_a_program_is_started_without_a_shell():
    """Only cmd.exe understands redirections and lists."""
    node = windows()

    code = started(node, "Administrator", CMD, '/d /c "echo hi> C:\\t\\out& exit 3"')

    assert code == 3
    assert node.files.read("C:\\T\\OUT") == b"hi\r\n"


@pytest.mark.parametrize("folder", ["C:\\Windows", SYSTEM32, "C:\\Program Files\\VMware"])
def test_a_filtered_token_may_not_write_where_windows_is(folder):
    """A member of Administrators under User Account Control is an ordinary user there."""
    tools = windows(UAC).tools

    with pytest.raises(GuestRefusedError, match="GuestPermissionDenied"):
        tools.make_temporary_folder("vcadmin", SECRET, "x-", "", folder=folder)
    assert tools.make_temporary_folder("Administrator", SECRET, "x-", "", folder=folder)


def test_a_folder_can_be_kept_for_administrators():
    """Icacls takes everybody else's rights, also of what is made there later."""
    node = windows(UAC)
    path = node.tools.make_temporary_folder("Administrator", SECRET, "x-", "", folder="C:\\Windows")
    before = node.tools.make_file_in("Administrator", SECRET, "a-", "", folder=path)

    code = started(node, "Administrator", f"{SYSTEM32}\\icacls.exe", PRIVATE.format(path))
    after = node.tools.make_file_in("Administrator", SECRET, "b-", "", folder=path)

    assert code == 0
    assert node.tools.read_file("vcadmin", SECRET, before) == b""
    with pytest.raises(GuestRefusedError, match="GuestPermissionDenied"):
        node.tools.read_file("vcadmin", SECRET, after)


def test_a_folder_goes_with_what_is_in_it():
    """Recursive deletion leaves nothing; without it a folder that holds something stays."""
    tools = windows().tools
    path = tools.make_temporary_folder("Administrator", SECRET, "x-", "", folder="C:\\Windows")
    tools.make_file_in("Administrator", SECRET, "a-", "", folder=path)

    with pytest.raises(GuestRefusedError):
        tools.delete_folder("Administrator", SECRET, path, recursive=False)
    tools.delete_folder("Administrator", SECRET, path, recursive=True)

    with pytest.raises(GuestRefusedError, match="FileNotFound"):
        tools.delete_folder("Administrator", SECRET, path, recursive=True)


def test_the_users_variables_are_told():
    """Windows' own and VMware's are there; unknown ones are left out."""
    tools = windows().tools

    found = tools.read_environment("Administrator", SECRET, ["SYSTEMROOT", "nosuch"])

    assert found == ["SYSTEMROOT=C:\\Windows"]
    assert any(
        v.startswith("VMWARE_CIS_HOME=")
        for v in tools.read_environment("Administrator", SECRET, ())
    )


def test_a_snapshot_of_the_disk_has_folders_of_its_own():
    """What is made later is not in it."""
    node = windows()
    saved = copy.deepcopy(node.disk)

    node.files.make_folder("C:\\later")

    assert "c:\\later" not in saved.folders


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("wmic os get LocalDateTime /value | findstr =", "LocalDateTime=20260301130005.000000+060"),
        (
            "wmic logicaldisk where DriveType=3 get DeviceID,FreeSpace,Size /value | findstr F",
            "FreeSpace=42949672960",
        ),
        (
            'reg query "HKLM\\SOFTWARE\\VMware, Inc.\\vCenter Server" /v BuildNumber | findstr REG',
            "    BuildNumber    REG_SZ    40000",
        ),
        ("reg query HKLM\\SOFTWARE\\None /v x 2> nul || cd", "C:\\t"),
        ('type "%VMWARE_CFG_DIR%\\deployment.node.type"', "embedded"),
        ("chcp", "Active code page: 437"),
        ("hostname", "vc1"),
        (
            'findstr /b dbtype "%VMWARE_CFG_DIR%\\vmware-vpx\\vcdb.properties"',
            "dbtype = PostgreSQL",
        ),
    ],
)
def test_programs_tell_what_they_tell_on_windows(line, expected):
    """Output formats are those that Microsoft and VMware document."""
    code, output = windows().cmd(line)

    assert (code, output.strip("\r\n")) == (0, expected)


def test_vdcadmintool_wants_a_directory_that_runs():
    """Its menu entry 6 tells the state, from standard input."""
    node = windows()
    line = 'echo 6| "%VMWARE_CIS_HOME%\\vmdird\\vdcadmintool.exe"'
    before = node.cmd(line)[1]

    node.board.boot_all()

    assert "failed" in before
    assert "VmDir State is - Normal" in node.cmd(line)[1]


def test_service_control_restarts_everything():
    """Names are those of Windows services and of vMon; there is no applmgmt."""
    node = windows()
    node.board.boot_all()
    control = '"%VMWARE_CIS_HOME%\\bin\\service-control.bat"'

    stopped = node.cmd(f'cmd /s /c "{control} --stop --all"& cmd /s /c "{control} --status --all"')
    started_again = node.cmd(f"{control} --start --all")

    assert "Running:" not in stopped[1]
    assert started_again[0] == 0
    assert node.board.missing() == []
    assert {"VMwareSTS", "VMWareDirectoryService", "vpxd"} <= set(node.board.running())
    assert node.board.find("applmgmt") is None


def test_service_control_wants_an_administrators_token():
    """Under a filtered one Windows denies it."""
    node = windows(UAC)

    code = started(
        node,
        "vcadmin",
        CMD,
        '/d /s /c ""%VMWARE_CIS_HOME%\\bin\\service-control.bat" --stop --all > C:\\t\\out 2>&1"',
    )

    assert code == 1
    assert b"Access is denied" in node.files.read("C:\\t\\out")


def test_a_vcenter_with_a_database_of_its_own_has_no_postgres():
    """Its configuration names another server, and a password that nobody should print."""
    node = windows(WindowsSetup(external_database=True, database_password="db-secret"))

    properties = node.cmd('type "%VMWARE_CFG_DIR%\\vmware-vpx\\vcdb.properties"')[1]

    assert "//sql1.lab.example" in properties
    assert "password = db-secret" in properties
    assert node.board.find("vmware-vpostgres") is None


def test_an_external_psc_has_no_vcenter():
    """Neither its services nor its database."""
    node = windows(role=Role.PSC)

    assert node.board.find("vpxd") is None
    assert node.cmd('type "%VMWARE_CFG_DIR%\\vmware-vpx\\vcdb.properties"')[0] == 1
