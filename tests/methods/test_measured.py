"""The table of what papers report and what is measured is up to date."""

import copy
import pathlib
import sys

import numpy as np
import pytest

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import methods  # noqa: E402

pytestmark = pytest.mark.numpy_alone


def experiment(smaller_is_better: bool = False) -> methods.Experiment:
    """One method beside two baselines, on two sets."""
    scores = {
        "probe": {"digits": [0.5, 0.5], "cells": [0.7, 0.9]},
        "forest": {"digits": [0.9], "cells": [0.2]},
        "program": {"digits": [0.6, 0.8], "cells": [0.8, 1.0]},
        "once": {"digits": [0.6], "cells": [[0.1, 0.3]]},
    }
    return methods.Experiment(
        [
            {"method": method, "data": data, "seed": seed, "score": score}
            for method, columns in scores.items()
            for data, values in columns.items()
            for seed, score in enumerate(values)
        ],
        title="Small data",
        about="",
        score="score",
        measure="accuracy",
        columns={name: {"data": name} for name in ("digits", "cells")},
        baselines={"probe": "linear probe", "forest": "random forest"},
        smaller_is_better=smaller_is_better,
    )


def test_the_table_is_that_of_the_pages_the_entries_and_the_results():
    report = methods.report(methods.entries_file())
    written = methods.REPORT.read_text(encoding="utf-8")
    assert report == written, f"Run: python {methods.__file__}"


def test_a_page_without_an_entry_and_an_entry_without_a_page_are_refused():
    for name in ("a_new_page", "ilm_vp"):
        content = copy.deepcopy(methods.entries_file())
        entries = content["methods"]
        if name in entries:
            del entries[name]
        else:
            entries[name] = {"paper": "", "differs": ""}
        with pytest.raises(ValueError, match=rf"one entry.*{name}"):
            methods.report(content)


def test_a_result_that_is_not_there_is_refused():
    content = copy.deepcopy(methods.entries_file())
    entry = content["methods"]["ilm_vp"]
    entry["measured"]["images"] = {"no such row": "ILM-VP"}
    with pytest.raises(ValueError, match=r"has a result.*no such row"):
        methods.report(content)


def test_an_entry_of_an_experiment_that_is_not_there_is_refused():
    content = copy.deepcopy(methods.entries_file())
    content["methods"]["ilm_vp"]["measured"] = {"no such": {"ILM-VP": "it"}}
    with pytest.raises(ValueError, match="experiments of the file.*no such"):
        methods.report(content)


def test_an_entry_without_its_paper_is_refused():
    content = copy.deepcopy(methods.entries_file())
    del content["methods"]["ilm_vp"]["paper"]
    with pytest.raises(ValueError, match=r"`paper`.*ilm_vp"):
        methods.report(content)


def test_columns_that_mix_runs_of_one_seed_are_refused():
    mixed = experiment()
    mixed.columns = {"all data": {}}
    with pytest.raises(ValueError, match="one run of each seed.*all data"):
        mixed.values("program", "all data")


def test_a_figure_has_mean_and_deviation_or_is_of_one_run():
    assert experiment().figure("program", "digits") == "0.700 ± 0.100"
    assert experiment().figure("once", "digits") == "0.600, one run"


def test_of_a_curve_the_end_counts():
    np.testing.assert_array_equal(experiment().values("once", "cells"), [0.3])


def test_a_method_is_ahead_where_means_differ_by_more_than_the_deviations():
    standing = experiment().standing
    assert standing("program", "probe", "digits") == "ahead"
    assert standing("program", "probe", "cells") == "level"
    assert standing("probe", "program", "digits") == "behind"
    assert standing("once", "probe", "digits") == "ahead in one run"
    errors = experiment(smaller_is_better=True)
    assert errors.standing("program", "probe", "digits") == "behind"


def test_the_outcome_names_the_first_baseline_and_the_best_one():
    assert methods.outcome(experiment(), "program") == (
        "linear probe: ahead on digits; level on cells<br>"
        "best baseline: behind on digits; level on cells"
    )
    errors = experiment(smaller_is_better=True)
    assert methods.outcome(errors, "program") == (
        "linear probe: behind on digits; level on cells<br>best baseline: "
        "behind"
    )


def test_figures_stand_beside_those_of_the_first_baseline():
    assert methods.measured(experiment(), "program") == (
        "[Small data](#small-data), accuracy (linear probe)<br>"
        "digits: 0.700 ± 0.100 (0.500 ± 0.000)<br>"
        "cells: 0.900 ± 0.100 (0.800 ± 0.100)"
    )
