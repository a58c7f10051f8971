"""Console: what a station shows in a browser. A process without keys, which commands nothing."""
