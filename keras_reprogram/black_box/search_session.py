"""State that a gradient estimator keeps between training steps."""

import numpy as np


class SearchSession:
    """Base class: the search of one model, replayed when training resumes.

    Attributes:
        losses_told: List of arrays. The losses of all steps so far, which
            determine the state of the search.
    """

    def __init__(self) -> None:
        self.losses_told: list[np.ndarray] = []

    def replay(self, losses_told: np.ndarray) -> None:
        """Restores the state of a search from the losses of its steps.

        Args:
            losses_told: Array `(steps, points)`.
        """
        raise NotImplementedError
