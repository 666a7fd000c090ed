"""Checks a finished run without GPU and model: bytes, prompts, answers, statistics, gates, pages."""
