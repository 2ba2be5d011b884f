"""Program files: the trained program of a task, without the source."""
