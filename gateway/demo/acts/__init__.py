"""The acts of the demo. Each is one function, `act`, of what all share (play.py)."""
