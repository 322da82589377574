"""What is on the disk of a Windows node when the lab begins: folders, files, registry, variables.

Source: VMware's PSC administration guides 6.5 and 6.7 (paths of the tools); vc_log4j_mitigator.py,
VMware's own script of 2021 (registry key, VMWARE_CFG_DIR, VMWARE_CIS_HOME, VMWARE_RUNTIME_DATA_DIR,
deployment.node.type in VMWARE_CFG_DIR); public notes of vcdb.properties. What service-control.bat
does inside is not known: here it ends with ``exit``, the worst for who calls it carelessly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.disk import NodeFile, WindowsSetup
from stsfix.lab.windows.files import Folder, key

if TYPE_CHECKING:
    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.windows_plan import WindowsPlan

SYSTEM32 = "C:\\Windows\\System32"
CIS_HOME = "C:\\Program Files\\VMware\\vCenter Server"
DATA = "C:\\ProgramData\\VMware\\vCenterServer"
PYTHON = f"{CIS_HOME}\\python\\python.exe"
BUILT_IN = "Administrator"
LOCAL_ADMINISTRATOR = "vcadmin"
"""A member of Administrators: with User Account Control its token is filtered."""

ENVIRONMENT = {
    "ComSpec": f"{SYSTEM32}\\cmd.exe",
    "Path": f"{SYSTEM32};C:\\Windows;{SYSTEM32}\\wbem",
    "ProgramData": "C:\\ProgramData",
    "ProgramFiles": "C:\\Program Files",
    "SystemDrive": "C:",
    "SystemRoot": "C:\\Windows",
    "VMWARE_CFG_DIR": f"{DATA}\\cfg",
    "VMWARE_CIS_HOME": CIS_HOME,
    "VMWARE_LOG_DIR": f"{DATA}\\logs",
    "VMWARE_PYTHON_BIN": PYTHON,
    "VMWARE_RUNTIME_DATA_DIR": f"{DATA}\\runtime",
    "windir": "C:\\Windows",
}
_FOLDERS = (
    "C:\\",
    SYSTEM32,
    "C:\\Windows\\Temp",
    CIS_HOME,
    f"{DATA}\\logs",
    f"{DATA}\\runtime",
    f"C:\\Users\\{BUILT_IN}\\AppData\\Local\\Temp",
)
_SERVICE_CONTROL = (
    "@echo off\r\n"
    "setlocal\r\n"
    '"%VMWARE_PYTHON_BIN%" "%VMWARE_CIS_HOME%\\bin\\service-control" %*\r\n'
    "exit %ERRORLEVEL%\r\n"
)
_EMBEDDED = (
    "driver = org.postgresql.Driver\r\n"
    "dbtype = PostgreSQL\r\n"
    "url = jdbc:postgresql://localhost:5432/VCDB\r\n"
    "username = vc\r\n"
)
_EXTERNAL = (
    "driver = com.microsoft.sqlserver.jdbc.SQLServerDriver\r\n"
    "dbtype = mssql\r\n"
    "url = jdbc:sqlserver://sql1.lab.example:1433;databaseName=VCDB;integratedSecurity=false\r\n"
    "username = vcenter\r\n"
)


def windows_setup(plan: WindowsPlan, database_password: str) -> WindowsSetup:
    """Return what *plan* makes special about a node."""
    return WindowsSetup(
        administrators=(BUILT_IN,),
        filtered=(LOCAL_ADMINISTRATOR,),
        external_database=plan.external_database,
        database_password=database_password,
    )


def operators_user(plan: WindowsPlan) -> str:
    """Return the user that the operator of a scenario has configured for Windows nodes."""
    if plan.root:
        return "root"
    return LOCAL_ADMINISTRATOR if plan.filtered else BUILT_IN


def to_windows(disk: NodeDisk, setup: WindowsSetup, *, build: str) -> None:
    """Turn the disk of an appliance into that of a Windows node of the same role."""
    disk.windows = setup
    disk.windows_folders = {key(path): Folder(path=path) for path in _FOLDERS}
    disk.free_kib = {"C:": 41_943_040}
    disk.registry = {
        "hkey_local_machine\\software\\vmware, inc.\\vcenter server": {
            "ProductVersion": build,
            "BuildNumber": build.rpartition(".")[2],
        }
    }
    texts = {
        f"{CIS_HOME}\\bin\\service-control.bat": _SERVICE_CONTROL,
        f"{DATA}\\cfg\\deployment.node.type": disk.role.node_type,
    }
    if disk.role.has_vcenter:
        database = _EXTERNAL if setup.external_database else _EMBEDDED
        texts[f"{DATA}\\cfg\\vmware-vpx\\vcdb.properties"] = (
            f"{database}password = {setup.database_password}\r\n"
        )
    programs: tuple[str, ...] = (
        "vmafdd\\vecs-cli.exe",
        "vmafdd\\dir-cli.exe",
        "vmafdd\\vmafd-cli.exe",
    )
    if disk.role.has_directory:
        programs += ("vmcad\\certool.exe", "vmdird\\vmdird.exe", "vmdird\\vdcadmintool.exe")
    disk.files = {key(path): NodeFile(content=text.encode()) for path, text in texts.items()}
    disk.files |= {key(f"{CIS_HOME}\\{p}"): NodeFile(content=b"MZ") for p in programs}
