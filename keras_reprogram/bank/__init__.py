"""Program banks: models that serve many programs with one source."""

from keras_reprogram.bank.program_bank import ProgramBank

__all__ = [
    "ProgramBank",
]
