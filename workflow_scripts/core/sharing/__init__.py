"""Packs a finished run for readers: one archive that describes itself, and that `verify` checks anywhere."""
