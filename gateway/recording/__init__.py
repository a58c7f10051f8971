"""Recordings: what flies is kept aboard, sealed to the agency's recording keys; and list, play and export after landing.

SPEC.md sections 8 and 9. The recorder is a process of its own: it has the recording keys and never a session key.
"""
