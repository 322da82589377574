"""The ``--json`` documents of reports, as docs/schema describes them. Pure."""
