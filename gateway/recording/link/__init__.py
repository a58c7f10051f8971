"""Link recordings: what came by the links of a ground, kept as it came, sealed, and opened later with the station folder.

SPEC.md section 8.1. Writing knows no key; opening is the ground's own (gateway.core.ground), with the recorded times.
"""
