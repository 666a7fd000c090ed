"""The command-line modules of the workflow, one per rule, and `core/` for what they share."""
