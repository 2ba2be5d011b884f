"""Many programs in front of one source."""

from keras_reprogram.bank.program_bank import ProgramBank

__all__ = [
    "ProgramBank",
]
