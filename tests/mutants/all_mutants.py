"""All seeded mistakes, in the order in which they are judged."""

from __future__ import annotations

from pathlib import Path

import seeds_back
import seeds_credential
import seeds_domain
import seeds_forth_and_back
import seeds_here
import seeds_nodes
import seeds_renewal
import seeds_run
import seeds_trust

ROOT = Path(__file__).resolve().parents[2]

MUTANTS = (
    *seeds_run.MUTANTS,
    *seeds_credential.MUTANTS,
    *seeds_domain.MUTANTS,
    *seeds_back.MUTANTS,
    *seeds_nodes.MUTANTS,
    *seeds_renewal.MUTANTS,
    *seeds_trust.MUTANTS,
    *seeds_here.MUTANTS,
    *seeds_forth_and_back.MUTANTS,
)
