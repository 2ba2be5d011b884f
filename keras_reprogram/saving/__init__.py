"""Program files: what was learned, without the source."""
