"""``python -m stsfix.plugin`` is ``stsfix``."""

from stsfix.plugin.cli import main

main()
