"""The lab's SOAP envelopes: what comes in is understood or refused, what goes out is typed."""

from __future__ import annotations

import pytest

from stsfix.lab.servant import fill, typed
from stsfix.lab.soap import named_fault
from stsfix.lab.soap_wire import (
    InvalidSoapError,
    fault_envelope,
    read_request,
    result_envelope,
    value_text,
    versions_document,
)
from stsfix.lab.vmomi import VmomiSupport, vim

VERSION = "vim.version.v8_0_3_0"
ENVELOPE = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/">'
    "<e:Header><operationID>op-1</operationID></e:Header><e:Body>{}</e:Body></e:Envelope>"
)


def request(body):
    """Return the envelope around *body*."""
    return ENVELOPE.format(body).encode()


def test_arguments_are_typed():
    """Booleans, strings and references arrive as pyVmomi values; absent ones as None."""
    soap = read_request(
        request(
            '<CreateSnapshot_Task xmlns="urn:vim25"><_this type="VirtualMachine">7</_this>'
            "<name>a &amp; b</name><memory>false</memory><quiesce>1</quiesce></CreateSnapshot_Task>"
        )
    )

    assert soap.name == "CreateSnapshot_Task"
    assert soap.this == vim.VirtualMachine("7")
    assert soap.args == {"name": "a & b", "description": None, "memory": False, "quiesce": True}


def test_repeated_arguments_become_a_list():
    """Elements of one name are one array argument."""
    soap = read_request(
        request(
            '<CreateListView xmlns="urn:vim25"><_this type="ViewManager">v</_this>'
            '<obj type="Task">t-1</obj><obj type="Task">t-2</obj></CreateListView>'
        )
    )

    assert list(soap.args["obj"]) == [vim.Task("t-1"), vim.Task("t-2")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        request(""),
        request('<Nonsense xmlns="urn:vim25"/>'),
        request('<CurrentTime xmlns="urn:vim25"/>'),
        request('<Logout xmlns="urn:vim25"><_this type="SessionManager">s</_this><x/></Logout>'),
        request('<PowerOnVM_Task xmlns="urn:vim25"><_this>7</_this></PowerOnVM_Task>'),
    ],
    ids=["empty", "text", "no-call", "unknown", "no-this", "unknown-argument", "untyped-this"],
)
def test_what_is_no_call_is_refused(body):
    """Anything else than a call of a known method is one kind of error."""
    with pytest.raises(InvalidSoapError):
        read_request(body)


def test_reference_in_any_is_a_managed_object_reference():
    """Govmomi sees an empty reference otherwise."""
    soap = read_request(
        request('<Fetch xmlns="urn:vim25"><_this type="Task">t</_this><prop>x</prop></Fetch>')
    )

    sent = result_envelope(soap, vim.Folder("ha-folder-vm"), VERSION).decode()

    assert 'xsi:type="ManagedObjectReference" type="Folder">ha-folder-vm<' in sent
    assert "versionId" not in sent


def test_fault_is_typed_and_told():
    """The detail holds the typed fault, the faultstring its text."""
    fault = named_fault("NoDiskSpace", datastore="ds<1>", file="f")

    sent = fault_envelope(fault, VERSION).decode()

    assert 'NoDiskSpaceFault xmlns="urn:vim25" xsi:type="NoDiskSpace"' in sent
    assert "datastore 'ds&lt;1&gt;'" in sent


def test_unknown_fault_name_is_a_bug_of_the_rule():
    """A rule with a misspelt fault name does not pass silently."""
    with pytest.raises(ValueError, match="NoSuchFault"):
        named_fault("NoSuchFault")


def test_filled_objects_are_complete():
    """What `fill` makes can be serialized: every required field has a value."""
    made = fill(vim.vm.ConfigInfo, name="x")

    assert made.name == "x"
    assert "<name>x</name>" in value_text(made)


def test_numbers_get_their_wire_type():
    """A plain int becomes the long the schema wants; lists become typed arrays."""
    assert type(typed(5, VmomiSupport.long)) is VmomiSupport.long
    assert type(typed(["a"], VmomiSupport.GetVmodlType("string[]"))).Item is str


def test_versions_document_offers_older_versions_only():
    """A 6.7 host offers nothing newer than itself."""
    document = versions_document("6.7.3").decode()

    assert "<name>urn:vim25</name><version>6.7.3</version>" in document
    assert "<version>6.5</version>" in document
    assert "<version>7" not in document
