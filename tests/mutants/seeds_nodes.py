"""Mistakes in how nodes are reached: SSH, guest operations, management interface."""

from __future__ import annotations

from mutant import Mutant

SSHD = "tests/contract/test_sshd.py"
ESXI_GUEST = "tests/lab/test_esxi_guest.py"
VAMI_CLIENT = "tests/lab/test_vami_client.py"
CHECKS_TRANSPORTS = "tests/unit/test_checks_transports.py"
HOST_KEYS = "tests/unit/test_host_keys.py"
SSH_SCRIPT = "tests/unit/test_ssh_script.py"
TRANSPORT_CHOICE = "tests/unit/test_transport_choice.py"
REPETITION = "tests/unit/test_hostile_repetition.py"

MUTANTS = (
    Mutant(
        name="an older release is proven first",
        file="remediation/checks/transports.py",
        old="    if older:",
        new="    if not told:",
        tests=(
            f"{CHECKS_TRANSPORTS}::test_only_releases_that_are_known_to_be_new_enough_are_proven_first",
        ),
    ),
    Mutant(
        name="SSH: another host key than the pinned one is accepted",
        file="remediation/host_keys.py",
        old="            if key.sha256 != peer.sha256:\n",
        new="            if not key.sha256:\n",
        tests=(f"{HOST_KEYS}::test_a_pin_is_stronger_than_a_person",),
    ),
    Mutant(
        name="SSH: a changed host key is asked about like a new one",
        file="remediation/host_keys.py",
        old="            if known.trusted:\n",
        new="            if known.trusted and self.confirm is None:\n",
        tests=(f"{HOST_KEYS}::test_a_changed_or_revoked_key_is_nobodys_to_confirm",),
    ),
    Mutant(
        name="SSH: a host key that nobody confirmed is accepted",
        file="remediation/host_keys.py",
        old=("        if self.confirm is None:\n            raise HostKeyError"),
        new=(
            "        if self.confirm is None:\n            return\n            raise HostKeyError"
        ),
        tests=(f"{HOST_KEYS}::test_without_a_person_an_unknown_key_is_refused",),
    ),
    Mutant(
        name="SSH: the password is sent before the host key is checked",
        file="remediation/transports/ssh_session.py",
        old="            keys.check(peer, key)\n",
        new=("            shown_later = keys.check\n            del shown_later\n"),
        tests=(f"{SSHD}::test_an_unknown_host_key_gets_no_password",),
        needs="sshd",
    ),
    Mutant(
        name="SSH: a login that broke off is tried again",
        file="remediation/transports/ssh_session.py",
        old="        if self.is_sent and not self.obstacle:\n",
        new="        if self.obstacle:\n",
        tests=(f"{SSHD}::test_a_login_that_is_cut_off_counts_as_refused",),
        needs="sshd",
    ),
    Mutant(
        name="SSH: whatever answers at login is taken for bash, as its exit status says",
        file="remediation/transports/ssh.py",
        old=("        if answer.find(said):\n            connection.way"),
        new=("        if said is not None:\n            connection.way"),
        tests=(f"{SSHD}::test_bash_is_left_as_it_was_found",),
        needs="sshd",
    ),
    Mutant(
        name="SSH: a script whose end was not seen counts as done",
        file="remediation/transports/ssh.py",
        old='            raise AnswerLostError(node.fqdn, f"a script over {NAME}")\n',
        new="            reader.exit_code = 0\n",
        tests=(f"{SSHD}::test_a_connection_that_broke_is_made_anew",),
        needs="sshd",
    ),
    Mutant(
        name="SSH: bash stays allowed",
        file="remediation/transports/ssh.py",
        old="            terminal.open_bash(lambda: self._allowed.add(talk.node))\n",
        new="            terminal.open_bash(lambda: None)\n",
        tests=(f"{SSHD}::test_bash_is_left_as_it_was_found",),
        needs="sshd",
    ),
    Mutant(
        name="SSH: marks of anybody end a script",
        file="remediation/transports/ssh_script.py",
        old='re.escape(_end(nonce)).encode() + rb":',
        new='rb"stsfix-end-[0-9a-z]+:',
        tests=(f"{SSH_SCRIPT}::test_what_a_script_prints_does_not_end_it",),
    ),
    Mutant(
        name="SSH: others may read a file while it is written",
        file="remediation/transports/ssh_script.py",
        old='            "umask 077",\n',
        new='            "umask 022",\n',
        tests=(f"{SSH_SCRIPT}::test_nobody_else_may_read_a_file_while_it_is_written",),
    ),
    Mutant(
        name="SSH: a secret stays in a file that could not be put in place",
        file="remediation/transports/ssh_script.py",
        old="            f\"trap {shlex.quote(f'rm -f {shlex.quote(beside)}')} EXIT\",\n",
        new="",
        tests=(f"{SSH_SCRIPT}::test_a_file_that_cannot_be_put_leaves_the_old_one",),
    ),
    Mutant(
        name="guest operations: a script with its secret stays in the guest",
        file="snapshot/guest.py",
        old="                guest.delete(path)\n",
        new="                del path\n",
        tests=(f"{ESXI_GUEST}::test_a_script_gives_output_and_exit_code",),
    ),
    Mutant(
        name="guest operations: others may read a script with its secret",
        file="snapshot/guest.py",
        old="_MODE: Final = 0o600",
        new="_MODE: Final = 0o644",
        tests=(f"{ESXI_GUEST}::test_a_secret_in_a_script_is_never_on_a_command_line",),
    ),
    Mutant(
        name="a refused password is sent again by another transport",
        file="remediation/transports/attempts.py",
        old="            self._refused[node] = error\n",
        new="            del error\n",
        tests=(f"{TRANSPORT_CHOICE}::test_a_refused_password_is_not_sent_again_by_anybody",),
    ),
    Mutant(
        name="a wrong password is sent twice at once",
        file="remediation/transports/attempts.py",
        old=("        with first:\n            return self._made(node, call)\n"),
        new=("        del first\n        return self._made(node, call)\n"),
        tests=(f"{TRANSPORT_CHOICE}::test_a_wrong_password_is_not_sent_twice_at_once",),
    ),
    Mutant(
        name="another transport is tried after a refused password",
        file="remediation/transports/chosen.py",
        old="                except (*UNAVAILABLE, NoShellError) as error:\n",
        new="                except Exception as error:\n",
        tests=(f"{TRANSPORT_CHOICE}::test_auto_never_falls_through_a_refusal",),
    ),
    Mutant(
        name="VAMI: a session is left behind",
        file="remediation/transports/vami.py",
        old=("        if self._session:\n            with contextlib.suppress"),
        new=("        if self._session is None:\n            with contextlib.suppress"),
        tests=(f"{VAMI_CLIENT}::test_a_session_is_opened_and_deleted",),
    ),
    Mutant(
        name="VAMI: a refused password is sent once more with each request",
        file="remediation/transports/vami.py",
        old="frozenset({http.client.NOT_FOUND,",
        new="frozenset({http.client.UNAUTHORIZED, http.client.NOT_FOUND,",
        tests=(f"{VAMI_CLIENT}::test_a_refused_password_is_sent_once",),
    ),
    Mutant(
        name="a node's certificate holds the process by a repetition",
        file="remediation/pki/certool.py",
        old=r"CERTIFICATE-----\s++([A-Za-z0-9+/=\s]{1,90000}+)",
        new=r"CERTIFICATE-----\s+([A-Za-z0-9+/=\s]{1,90000}?)",
        tests=(f"{REPETITION}::test_a_repetition_is_read_in_the_time_of_its_length",),
    ),
    Mutant(
        name="a node's list of disks holds the process by a repetition",
        file="remediation/nodes/node_facts.py",
        old=r"^\S++(?:\s++\S++)*?\s++([0-9]{1,15}+)",
        new=r"^\S.*?\s+([0-9]{1,15})",
        tests=(f"{REPETITION}::test_a_repetition_is_read_in_the_time_of_its_length",),
    ),
    Mutant(
        name="a key goes through a here-document",
        file="remediation/transports/ssh_script.py",
        old="""            "printf '%s\\\\n' " + shlex.quote("\\n".join(lines)) + " |"
            f" base64 -d > {shlex.quote(beside)} || exit 1",
""",
        new="""            f"base64 -d > {shlex.quote(beside)} << 'STSFIX' || exit 1",
            *lines,
            "STSFIX",
""",
        tests=(f"{SSH_SCRIPT}::test_what_is_put_is_in_no_other_file",),
    ),
    Mutant(
        name="a form feed ends a line of known_hosts",
        file="remediation/known_hosts.py",
        old='    for line in text.split("\\n"):\n',
        new="    for line in text.splitlines():\n",
        tests=(f"{HOST_KEYS}::test_lines_that_name_a_server",),
    ),
)
