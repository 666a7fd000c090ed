"""Scored arms, and the audit of what else than ability could explain a difference between them."""
