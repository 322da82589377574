"""One session of a host is used by several threads; what one loses is no bug for another."""

from __future__ import annotations

import pytest
from pyVmomi import vim

from stsfix.snapshot.errors import HostUnreachableError
from stsfix.snapshot.esxi_session import EsxiSession
from stsfix.snapshot.model import HostRef
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.tls import Endpoint, Trust


def test_an_object_of_a_connection_that_broke_meanwhile_is_none():
    """A login in another thread has dropped it: whoever reads tries again."""
    peer = Endpoint(name="esx1", address="127.0.0.1", port=9, trust=Trust(sha256="a" * 64))
    session = EsxiSession(HostRef("esx1"), peer, "root", Secret("p"))

    with pytest.raises(HostUnreachableError, match="connection broke"):
        session.make(vim.VirtualMachine, "1")
