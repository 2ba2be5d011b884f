"""States of recurrent sources, which a program transforms at every step."""
