"""Duplicates within the data, and overlap with what is held out."""
