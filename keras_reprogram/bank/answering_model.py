"""A model that answers samples, each by a program of its own."""

from collections.abc import Sequence

import numpy as np

from keras_reprogram.bank.banked_inputs import BankedInputs
from keras_reprogram.bank.batches import Entry
from keras_reprogram.bank.batches import padded_batch
from keras_reprogram.bank.shared_model import SharedModel
from keras_reprogram.configurable import positive_integer
from keras_reprogram.progress import Progress


class AnsweringModel(SharedModel):
    """Base class: a model of samples and of the programs that answer them.

    Attributes:
        programs: Dictionary of the `Entry` of each program, by name.
        revisions: Array `[capacity]`. How often each row was given to a
            program or freed.
        banked_inputs: List of the `BankedInputs` of each source, all of which
            take the same samples.
    """

    programs: dict[str, Entry]
    revisions: np.ndarray
    banked_inputs: list[BankedInputs]

    def entry(self, name: str) -> Entry:
        """Returns the `Entry` of a program, by its name."""
        if name not in self.programs:
            raise ValueError(
                f"The bank has no program {name!r}. Received: a name that is "
                f"not among {sorted(self.programs)[:20]}"
            )
        return self.programs[name]

    def answer(
        self,
        samples: Sequence[np.ndarray],
        programs: str | Sequence[str],
        batch_size: int = 32,
        verbose: str | int = 0,
    ) -> list[np.ndarray]:
        """Returns each sample's outputs by its own program.

        Args:
            samples: Sequence of arrays without a batch axis, of the shapes
                that their programs take. A sequence that loads a sample when
                it is indexed keeps a folder of images out of memory.
            programs: The name of each sample's program, or one for all.
            batch_size: Integer. Samples of a batch, of any mix of programs.
                Defaults to `32`.
            verbose: 0 for silence, 1 or `"auto"` for a progress bar, 2 for a
                line at the end. Defaults to `0`.

        Returns:
            A list of arrays `[classes of the program]`.

        Raises:
            ValueError: If there is no such program, or samples are not of its
                shape.
        """
        if isinstance(programs, str):
            programs = [programs] * len(samples)
        if len(programs) != len(samples):
            raise ValueError(
                "There must be one program for each sample. Received: "
                f"{len(samples)} samples and {len(programs)} programs"
            )
        batch_size = positive_integer("batch_size", batch_size)
        with self.source_lock, self.lock.shared():
            return self._answer_all(samples, programs, batch_size, verbose)

    def _answer_all(
        self,
        samples: Sequence[np.ndarray],
        programs: Sequence[str],
        batch_size: int,
        verbose: str | int,
    ) -> list[np.ndarray]:
        """As `answer`, with the locks held."""
        entries = [self.entry(name) for name in programs]
        if not entries:
            return []
        revisions = self.revisions.copy()
        size = min(batch_size, len(entries))
        starts = range(0, len(entries), size)
        number = len(set(programs))
        progress = Progress(
            f"Predicting with {number} program{'s' if number > 1 else ''}",
            len(starts),
            verbose,
        )
        answers: list[np.ndarray] = []
        for start in starts:
            indices = range(start, min(start + size, len(entries)))
            batch = self.batch(samples, entries, indices, size)
            used = [entries[index].row for index in indices]
            if (self.revisions[used] != revisions[used]).any():
                raise ValueError(
                    "A program must stay as it is while it answers. Received: "
                    "samples that drop or replace their own program when they "
                    "are loaded"
                )
            outputs = self.predict_on_batch(batch)
            answers += [
                output[: entries[index].num_classes]
                for output, index in zip(outputs, indices)
            ]
            progress.add()
        return answers

    def batch(
        self,
        samples: Sequence[np.ndarray],
        entries: Sequence[Entry],
        rows: Sequence[int],
        batch_size: int,
    ) -> dict[str, np.ndarray]:
        """Returns the model's inputs for some of the samples."""
        return padded_batch(
            samples,
            entries,
            rows,
            batch_size,
            self.banked_inputs[0].sample_shape,
            self.banked_inputs[0].axes,
        )
