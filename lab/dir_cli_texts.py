"""Numbers and texts of dir-cli (vmafd/tools/dir-cli/main.c and misc.c)."""

from __future__ import annotations

from stsfix.lab import tool_io
from stsfix.lab.vmdir import ages

SERVER_DOWN = 9127
NO_SUCH_USER = 1317
LOCAL_OPTION_UNKNOWN = 1
LOCAL_OPTION_INVALID = 2
LONG_TEXTS = {
    tool_io.CANNOT_CONNECT_VMAFD: (
        "Could not connect to the local service VMware AFD.\nVerify VMware AFD is running."
    ),
    SERVER_DOWN: (
        "Could not connect to VMware Directory Service via LDAP.\nVerify VMware Directory Service "
        "is running on the appropriate system and is reachable from this host."
    ),
    tool_io.ACCESS_DENIED: (
        "Authorization failed.\nVerify account has proper administrative privileges."
    ),
    LOCAL_OPTION_UNKNOWN: "An unknown option was present on the command line.",
    LOCAL_OPTION_INVALID: "The options present on the command line are not valid.",
}
_LDAP_TEXTS = {
    ages.NO_SUCH_OBJECT: "No such object",
    ages.INSUFFICIENT_ACCESS: "Insufficient access",
    ages.UNWILLING: "Server is unwilling to perform",
    ages.ENTRY_EXISTS: "Already exists",
    ages.OTHER: "Other (e.g., implementation specific) error",
}
USAGE = (
    "Usage: dir-cli { arguments }\n\nArguments:\n\n"
    "\tservice create --name <name> --cert <path>\n"
    "\tservice list\n"
    "\tservice update --name <name> --cert <path>\n"
    "\tservice delete --name <name>\n"
    "\ttrustedcert publish --cert <path> [--chain] [--crl <path>]\n"
    "\ttrustedcert unpublish --cert <path>\n"
    "\ttrustedcert list\n"
    "\ttrustedcert get --id <id> --outcert <path> [--outcrl <path>]\n"
    "\tnodes list [--server-name <name>]\n"
    "\tstate get [--server-name <name>]\n"
    "\t[ --login <user> ] [ --password <password> ]\n"
)


def text_of(code: int) -> str:
    """Return what dir-cli says of *code* beside the number."""
    if code in _LDAP_TEXTS:
        win = tool_io.error_text(code)
        return f"Possible errors: \nLDAP error: {_LDAP_TEXTS[code]} \nWin Error: {win}"
    return tool_io.error_text(code)
