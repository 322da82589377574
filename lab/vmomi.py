"""pyVmomi without types, in one place.

Its stubs describe a client's view: they have no server half, no ``msg`` on faults, and call
constructors untyped, so a strict checker refuses nearly every line of a server. Everything in
the lab imports these names from here.
"""

from __future__ import annotations

from typing import Any

import pyVmomi

_package: Any = pyVmomi

vim = _package.vim
vmodl = _package.vmodl
VmomiSupport = _package.VmomiSupport
SoapAdapter = _package.SoapAdapter
