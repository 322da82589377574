"""Mistakes in what is kept and shown on the workstation: files, folders, outputs, memory."""

from __future__ import annotations

from mutant import Mutant

PATHS = "tests/unit/test_state_paths.py"
PRIVATE_FILE = "tests/unit/test_private_file.py"
SECRETS = "tests/unit/test_secrets.py"
CONFIG = "tests/unit/test_config.py"
OUTPUT = "tests/unit/test_output.py"
REDACTION = "tests/unit/test_redaction.py"
EXPORT = "tests/unit/test_sts_export.py"
REPLACEABLE = "tests/unit/test_replaceable.py"
WORDS = "tests/unit/test_words.py"

MUTANTS = (
    Mutant(
        name="host keys in a folder that others may write to are believed",
        file="plugin/host_keys.py",
        old="            if reason := intruders(folder):\n",
        new="            if (reason := intruders(folder)) is None:\n",
        tests=(
            (
                "tests/unit/test_confirmed_keys.py"
                "::test_keys_that_others_could_have_written_are_not_believed"
            ),
        ),
    ),
    Mutant(
        name="others may write into the state folder",
        file="remediation/state_folder.py",
        old="    if status.st_mode & _OTHERS:\n",
        new="    if not status.st_mode & stat.S_IRUSR:\n",
        tests=(f"{PATHS}::test_a_folder_others_may_write_into_is_refused",),
    ),
    Mutant(
        name="the state folder may be another user's",
        file="remediation/state_folder.py",
        old="    if status.st_uid != os.geteuid():\n",
        new="    if status.st_uid == 4711:\n",
        tests=(f"{PATHS}::test_another_users_folder_is_refused",),
    ),
    Mutant(
        name="anybody may put another state folder in the place of ours",
        file="remediation/state_folder.py",
        old="    return replaceable(folder, ours())\n",
        new='    return ""\n',
        tests=(f"{PATHS}::test_a_folder_that_anybody_can_replace_is_refused",),
    ),
    Mutant(
        name="the lock is written through a link",
        file="remediation/journal.py",
        old="        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK\n",
        new="        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC\n",
        tests=(f"{PATHS}::test_the_lock_is_not_written_through_a_link",),
    ),
    Mutant(
        name="two processes hold the lock of a domain",
        file="remediation/journal.py",
        old="                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        new="                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)\n",
        tests=(
            "tests/unit/test_journal.py::test_one_domain_is_worked_on_by_one_process_that_is_named",
        ),
    ),
    Mutant(
        name="a journal that lost its mode stays readable",
        file="remediation/journal.py",
        old="            os.fchmod(handle, PRIVATE)\n",
        new="            pass\n",
        tests=(f"{PATHS}::test_a_journal_that_lost_its_mode_gets_it_back",),
    ),
    Mutant(
        name="an export is read through a link",
        file="plugin/private_file.py",
        old="os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK",
        new="os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK",
        tests=(f"{PATHS}::test_an_export_is_not_read_through_a_link",),
    ),
    Mutant(
        name="an export of any size is read",
        file="plugin/export_file.py",
        old="        if len(content) > MAX_BYTES:\n",
        new="        if not MAX_BYTES:\n",
        tests=(f"{PATHS}::test_a_huge_file_is_not_read_whole",),
    ),
    Mutant(
        name="an export of another run is put back",
        file="plugin/export_file.py",
        old="        if export.run != run:\n",
        new="        if not run:\n",
        tests=(f"{PATHS}::test_an_export_under_another_runs_name_is_refused",),
    ),
    Mutant(
        name="the head of an export can be changed",
        file="remediation/directory/sts_export.py",
        old=".encrypt(nonce, plain, _associated(head))",
        new=".encrypt(nonce, plain, None)",
        also=((".decrypt(nonce, body, _associated(document))", ".decrypt(nonce, body, None)"),),
        tests=(f"{EXPORT}::test_a_changed_head_is_noticed",),
    ),
    Mutant(
        name="an export may ask for all memory",
        file="remediation/directory/sts_export.py",
        old="    if n * r > _MAX_COST or p > _MAX_PARALLEL:",
        new="    if not n * r * p:",
        tests=(f"{EXPORT}::test_a_head_that_asks_for_all_memory_is_refused",),
    ),
    Mutant(
        name="others may read a report",
        file="plugin/private_file.py",
        old="PRIVATE = 0o600",
        new="PRIVATE = 0o644",
        tests=(f"{PRIVATE_FILE}::test_file_is_for_its_owner_alone",),
    ),
    Mutant(
        name="a report or export is not synced to the disk",
        file="plugin/private_file.py",
        old="            os.fsync(descriptor)\n    except",
        new="            pass\n    except",
        tests=(f"{PRIVATE_FILE}::test_a_file_is_on_the_disk_when_the_call_returns",),
    ),
    Mutant(
        name="the folder of a report or export is not synced to the disk",
        file="plugin/private_file.py",
        old="        _sync_folder(path.parent)\n",
        new="        pass\n",
        tests=(f"{PRIVATE_FILE}::test_a_file_is_on_the_disk_when_the_call_returns",),
    ),
    Mutant(
        name="a secrets file that others may read is used",
        file="plugin/secrets_file.py",
        old="        if mode not in (0o600, 0o400):\n",
        new="        if not mode:\n",
        tests=(f"{SECRETS}::test_file_with_another_mode_is_refused",),
    ),
    Mutant(
        name="a domain.toml or CA that anybody may write is believed",
        file="plugin/config_files.py",
        old="    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWOTH:\n",
        new="    if not stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWOTH:\n",
        tests=(f"{CONFIG}::test_a_file_that_anybody_can_write_is_refused",),
    ),
    Mutant(
        name="a domain.toml or CA that anybody may replace is believed",
        file="remediation/replaceable.py",
        old="is_everybodys and not status.st_mode & stat.S_ISVTX:\n",
        new="is_everybodys and status.st_mode & stat.S_ISVTX:\n",
        tests=(f"{CONFIG}::test_a_file_that_anybody_can_replace_is_refused",),
    ),
    Mutant(
        name="another user's domain.toml is taken because it lies there",
        file="plugin/config_files.py",
        old="    if come_across and status.st_uid not in ours():\n",
        new="    if come_across and status.st_uid < 0:\n",
        tests=(f"{CONFIG}::test_another_users_file_is_taken_only_by_name",),
    ),
    Mutant(
        name="marks that turn text come through",
        file="plugin/text.py",
        old='frozenset({"Cc", "Cf", "Cs",',
        new='frozenset({"Cc", "Cs",',
        tests=("tests/unit/test_text.py::test_unsafe_characters_become_escapes",),
    ),
    Mutant(
        name="a name makes a line of its own",
        file="plugin/cli/session.py",
        old="                self.output.line(printable(line.text))  # a name with a line end forges"
        " no line\n",
        new="                self.output.line(line.text)\n",
        tests=(f"{OUTPUT}::test_a_name_makes_no_line_of_its_own",),
    ),
    Mutant(
        name="a name passes for a command to copy",
        file="plugin/diagnostics.py",
        old="    told = _Told(error)\n",
        new="    told = error\n",
        tests=("tests/unit/test_diagnostics.py::test_a_name_is_no_command_to_copy",),
    ),
    Mutant(
        name="a lab is made where others may write",
        file="plugin/cli/lab.py",
        old="    if reason := intruders(folder):  # a link in it would be written through\n",
        new="    if (reason := intruders(folder)) is None:\n",
        tests=("tests/e2e/test_wrong_input.py::test_a_lab_is_not_made_where_others_may_write",),
    ),
    Mutant(
        name="a prompt commands the terminal",
        file="plugin/secrets.py",
        old="getpass.getpass(printable(prompt))",
        new="getpass.getpass(prompt)",
        tests=(f"{SECRETS}::test_a_prompt_cannot_command_the_terminal",),
    ),
    Mutant(
        name="text of others is markup on the page",
        file="plugin/page/markup.py",
        old="html.escape(printable(child))",
        new="printable(child)",
        tests=("tests/unit/test_markup.py::test_text_is_escaped_and_made_printable",),
    ),
    Mutant(
        name="a password that a peer repeats is printed",
        file="plugin/output.py",
        old="        self._write(self._out, printable_lines(self._redact(text)))\n",
        new="        self._write(self._out, printable_lines(text))\n",
        tests=(f"{OUTPUT}::test_a_secret_that_a_peer_says_is_not_repeated",),
    ),
    Mutant(
        name="a password that a peer repeats is in the JSON",
        file="plugin/output.py",
        old="    if redact is not str:\n",
        new="    if redact is None:\n",
        tests=(f"{OUTPUT}::test_a_secret_that_a_peer_says_is_not_repeated",),
    ),
    Mutant(
        name="a password is logged",
        file="plugin/redaction.py",
        old="        record.msg = self._redactor.redact(_message(record))\n",
        new="        record.msg = _message(record)\n",
        tests=(REDACTION,),
    ),
    Mutant(
        name="a password is in a logged traceback",
        file="plugin/redaction.py",
        old="            record.exc_text = self._redactor.redact(record.exc_text)\n",
        new="            pass\n",
        tests=(REDACTION,),
    ),
    Mutant(
        name="a secret shows itself",
        file="snapshot/secret.py",
        old='        return "Secret(***)"\n',
        new='        return f"Secret({self._value})"\n',
        tests=("tests/unit/test_secret_value.py::test_no_text_of_a_secret_shows_it",),
    ),
    Mutant(
        name="a secret can be pickled",
        file="snapshot/secret.py",
        old='        raise TypeError("a secret cannot be pickled")\n',
        new="        return (Secret, (self._value,))\n",
        tests=("tests/unit/test_secret_value.py::test_a_secret_is_not_stored",),
    ),
    Mutant(
        name="a core file may be written",
        file="plugin/hardening.py",
        old="    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n",
        new="",
        tests=("tests/unit/test_hardening.py",),
    ),
    Mutant(
        name="other processes may look into this one",
        file="plugin/hardening.py",
        old="        _hide()\n",
        new="        pass\n",
        tests=("tests/unit/test_hardening.py",),
    ),
    Mutant(
        name="a page that was cut is not marked for what was markup",
        file="remediation/web/web_probe.py",
        old='    cut = CUT if len(answer.body) > _PARSED else ""\n',
        new='    cut = ""\n',
        tests=(f"{WORDS}::test_a_cut_is_marked_although_little_is_left",),
    ),
    Mutant(
        name="words of a failure are cut without a mark",
        file="remediation/nodes/service_status.py",
        old='        line = shortened(rest.partition("\\n")[0], _WORDING)\n',
        new='        line = rest.partition("\\n")[0][:_WORDING]\n',
        tests=(f"{WORDS}::test_a_cut_is_marked_although_little_is_left",),
    ),
    Mutant(
        name="a part of a password is left where a text was cut",
        file="plugin/redaction.py",
        old="return self._get_halves().taken_out(text) if CUT in text else text",
        new="return text",
        tests=(f"{WORDS}::test_no_cut_leaves_a_part_of_a_password",),
    ),
    Mutant(
        name="a cut in the words of a node is not marked",
        file="snapshot/words.py",
        old='f"{text[: limit - len(CUT)]}{CUT}"',
        new="text[:limit]",
        tests=(f"{WORDS}::test_no_cut_leaves_a_part_of_a_password",),
    ),
    Mutant(
        name="a login in base64 is shown",
        file="plugin/redaction.py",
        old="    for before in range(3):\n",
        new="    for before in range(1):\n",
        tests=(f"{WORDS}::test_a_login_in_base64_is_known",),
    ),
    Mutant(
        name="links are not looked at when it is asked who may replace a file",
        file="remediation/replaceable.py",
        old="    for folder, part in _lookups(path):\n",
        new="    for folder, part in ((f, f) for f in path.resolve().parents):\n",
        tests=(f"{REPLACEABLE}::test_a_link_in_a_folder_of_everybodys_is_not_believed",),
    ),
    Mutant(
        name="a file of a CA is reached through everybody's folder",
        file="plugin/config_files.py",
        old="    who = replaceable(path, believed)\n",
        new='    who = ""\n',
        tests=(f"{CONFIG}::test_a_file_of_a_ca_is_not_reached_through_everybodys",),
    ),
    Mutant(
        name="who holds a domain is waited for at a pipe",
        file="remediation/journal.py",
        old="os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK",
        new="os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC",
        tests=(f"{PATHS}::test_a_pipe_in_the_place_of_the_lock_holds_nobody_up",),
    ),
)
