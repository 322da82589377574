#!/usr/bin/env python3
"""What a login as root on an appliance sees of ``appliancesh``, for sshd's ForceCommand.

It shares no code with the product or with the lab. Usage: appliancesh.py FOLDER. The folder holds
``state`` (``enabled``, ``disabled``, or ``locked``: bash cannot be had at all), ``log`` (what was
typed here) and ``bin`` (put in front of the PATH). Source of the words: the appliance's banner as
people paste it; "Unknown command" with exit status 0 (Posh-SSH #568); shell.set in 6.x.
"""

# ruff: noqa: T201 - its words are its output

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])
STATE = FOLDER / "state"
PLUG_INS = ("service-control",)


def note(line):
    """Append to the log of typed lines."""
    with (FOLDER / "log").open("a") as log:
        log.write(line + "\n")


def environment():
    """Return what the appliance's bash gets."""
    path = f"{FOLDER / 'bin'}:{os.environ['PATH']}"
    history = str(FOLDER / "home" / ".bash_history")
    return {
        **os.environ,
        "PATH": path,
        "HOME": str(FOLDER / "home"),
        "HISTFILE": history,
        "PS1": "\\[\\e[0;31m\\]root@vc1 [ \\[\\e[0m\\]~\\[\\e[0;31m\\] ]#\\[\\e[0m\\] ",
        # Appliances log every command of an interactive bash.
        "PROMPT_COMMAND": f"history 1 >> {FOLDER / 'commands'}",
    }


def command(line):
    """Carry out one line; its exit status is 0 whatever happens."""
    note(line)
    words = line.split()
    state = STATE.read_text().strip()
    if not words:
        return
    if words[0] in PLUG_INS:
        subprocess.run(words, env=environment(), check=False)
    elif line == "shell" and state == "enabled":
        print("Shell access is granted to root", flush=True)
        arguments = ["/bin/bash", "--norc", "-i"]
        subprocess.run(arguments, env=environment(), check=False)
    elif line == "shell":
        print("Shell is disabled. Use 'shell.set --enabled True' to enable it.", flush=True)
    elif words[0] == "shell.set" and state != "locked":
        STATE.write_text("enabled" if words[-1].lower() == "true" else "disabled")
    else:
        print(f"Unknown command: `{words[0]}'", flush=True)


def talk():
    """Read commands from the terminal until it ends."""
    print("\nVMware vCenter Server 8.0.2.00000\n")
    print("Type: vCenter Server with an embedded Platform Services Controller\n")
    print("Connected to service\n")
    print('    * List APIs: "help api list"')
    print('    * List Plugins: "help pi list"')
    print('    * Launch BASH: "shell"\n', flush=True)
    while True:
        try:
            line = input("Command> ").strip()
        except EOFError:
            return
        if line in ("exit", "logout"):
            return
        command(line)


original = os.environ.get("SSH_ORIGINAL_COMMAND")
if original is not None:
    command(original)
else:
    import readline  # noqa: F401 - edits lines, as the appliance's does

    talk()
