"""What concerns the computer that Zegel runs on: its ports, its kernel, its firewall."""
