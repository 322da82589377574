"""Who gets into the lab's ESXi host, and what the host tells of itself."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from pyVmomi import vim, vmodl

from esx_lab import PASSWORD, finished, pyvim, running_host, vm_of
from stsfix.lab.esx.session import Accounts

pytestmark = pytest.mark.lab


def test_right_password_logs_in():
    """The session manager shows the session of who logged in."""
    with running_host() as lab, lab.client() as instance:
        session = instance.content.sessionManager.currentSession

        assert session.userName == "root"
        assert instance.content.about.apiType == "HostAgent"


def test_wrong_password_is_refused_and_counted():
    """A wrong password gets InvalidLogin; the host counts attempts per user."""
    with running_host() as lab:
        with pytest.raises(vim.fault.InvalidLogin) as refusal, lab.client(password="wrong"):
            pass

        assert "incorrect user name or password" in str(refusal.value)
        assert lab.host.accounts.attempts == {"root": 1}


def test_account_is_locked_after_five_failures():
    """After five wrong passwords the right one is refused too."""
    with running_host() as lab:
        for _ in range(5):
            with pytest.raises(vim.fault.InvalidLogin), lab.client(password="wrong"):
                pass

        with pytest.raises(vim.fault.InvalidLogin), lab.client():
            pass


@pytest.mark.parametrize("mode", ["lockdownNormal", "lockdownStrict"])
def test_lockdown_admits_exception_users_only(mode):
    """In lockdown root is refused like a wrong password, an exception user comes in."""
    users = {"root": PASSWORD, "rescue": PASSWORD}
    accounts = Accounts(users=users, lockdown=mode, exception_users=frozenset({"rescue"}))
    with running_host(accounts=accounts) as lab:
        with pytest.raises(vim.fault.InvalidLogin), lab.client():
            pass

        with lab.client(user="rescue") as instance:
            host = instance.content.rootFolder.childEntity[0].hostFolder.childEntity[0].host[0]

            assert host.config.lockdownMode == mode
            assert host.configManager.hostAccessManager.QueryLockdownExceptions() == ["rescue"]


def test_before_login_and_after_logout_nothing_is_answered():
    """Calls without a session get NotAuthenticated; currentSession is unset, no fault."""
    with running_host() as lab, lab.client() as instance:
        content = instance.content
        content.sessionManager.Logout()

        assert content.sessionManager.currentSession is None
        with pytest.raises(vim.fault.NotAuthenticated):
            instance.CurrentTime()


def test_expired_session_is_not_authenticated():
    """A session the host forgot gets NotAuthenticated on its next call."""
    with running_host() as lab, lab.client() as instance:
        lab.host.service.expire_sessions()

        with pytest.raises(vim.fault.NotAuthenticated):
            instance.CurrentTime()


def test_untrusted_certificate_is_refused_by_the_client():
    """A client that does not know the lab's CA ends in the TLS handshake."""
    with running_host() as lab:
        with pytest.raises(ssl.SSLCertVerificationError):
            pyvim.SmartConnect(
                host="localhost",
                port=lab.host.port,
                user="root",
                pwd=PASSWORD,
                sslContext=ssl.create_default_context(),
            )

        assert lab.host.accounts.attempts == {}


def test_silent_client_keeps_nobody_out():
    """A client that connects and never shakes hands does not block others."""
    with (
        running_host() as lab,
        socket.create_connection(("127.0.0.1", lab.host.port)),
        lab.client() as instance,
    ):
        assert instance.CurrentTime() is not None


def test_clock_offset_is_visible():
    """The host's own clock is told by CurrentTime and by QueryDateTime."""
    with running_host(clock_offset=timedelta(minutes=7)) as lab, lab.client() as instance:
        host = instance.content.rootFolder.childEntity[0].hostFolder.childEntity[0].host[0]
        told = host.configManager.dateTimeSystem.QueryDateTime()

        ahead = (told - datetime.now(UTC)).total_seconds()
        assert 415 < ahead < 421


def test_host_facts():
    """Management server, maintenance mode, licence and free space are told."""
    options = {"managed_by": "10.0.0.9", "maintenance": True, "edition": "eval"}
    with running_host(**options) as lab, lab.client() as instance:
        host = instance.content.rootFolder.childEntity[0].hostFolder.childEntity[0].host[0]

        assert host.summary.managementServerIp == "10.0.0.9"
        assert host.runtime.inMaintenanceMode is True
        assert [x.editionKey for x in instance.content.licenseManager.licenses] == ["eval"]
        free = lab.host.datastore("datastore1").free
        assert [d.summary.freeSpace for d in host.datastore] == [free]


def test_free_licence_reads_and_does_not_write():
    """With the free edition every write gets RestrictedVersion and nothing happens."""
    with running_host(edition="esxBasic") as lab, lab.client() as instance:
        vm = vm_of(instance)

        for write in (vm.PowerOn, lambda: vm.CreateSnapshot("s", "", False, False)):
            with pytest.raises(vim.fault.RestrictedVersion):
                write()

        assert vm.runtime.powerState == "poweredOff"
        assert lab.host.board.all == []


def test_read_only_user_is_refused_writes():
    """A user without privileges gets NoPermission with the privilege's name."""
    accounts = Accounts(users={"auditor": PASSWORD}, read_only=frozenset({"auditor"}))
    with running_host(accounts=accounts) as lab, lab.client(user="auditor") as instance:
        with pytest.raises(vim.fault.NoPermission) as refusal:
            vm_of(instance).PowerOn()

        assert refusal.value.privilegeId == "VirtualMachine.Interact"


def test_old_api_version_is_negotiated():
    """A 6.7 host is spoken to in its own version, and works."""
    options = {"version": "6.7.0", "api_version": "6.7.3"}
    with running_host(**options) as lab, lab.client() as instance:
        assert instance._stub.version == "vim.version.version15"
        assert finished(vm_of(instance).PowerOn()).state == "success"


def test_unknown_objects_and_methods_are_typed_faults():
    """A stale reference and a method the lab lacks are told as vSphere tells them."""
    with running_host() as lab, lab.client() as instance:
        stale = vim.VirtualMachine("4711", instance._stub)

        with pytest.raises(vmodl.fault.ManagedObjectNotFound):
            stale.PowerOn(None)
        with pytest.raises(vmodl.fault.MethodNotFound):
            vm_of(instance).Suspend()


def test_stopped_host_refuses_connections_and_comes_back():
    """After stop nothing listens; after start the same port answers with the same VMs."""
    with running_host() as lab:
        port = lab.host.port
        lab.host.stop()

        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        lab.host.start()
        with lab.client() as instance:
            assert lab.host.port == port
            assert vm_of(instance).name == "vc1"
