"""No Python in what the command line says, and nothing else changed."""

from __future__ import annotations

import pytest

from stradiff.cli.spelling import spelled_as_options

SENTENCES = {
    "mark such samples with missing='mask', mend it.": "mark such samples with --missing mask, mend it.",
    "choose other channels with columns=.": "choose other channels with --columns.",
    "time_column= and sampling_rate= both say": "--time-column and --sampling-rate both say",
    "time_column=False makes it a channel.": "--time-column none makes it a channel.",
    "prior='foo' does not exist; choose one of ar, rbf, or add it with stradiff.register_prior.": (
        "--prior foo does not exist; choose one of ar, rbf."
    ),
    "install it, or use n_jobs=1 without a scheduler.": "install it, or use --jobs 1 without --scheduler.",
    "in the configuration of dask, or give a distributed.Client that has them.": "in the configuration of dask.",
    "scheduler='tcp://a:1' does not answer": "--scheduler 'tcp://a:1' does not answer",
    "kind='foo' does not exist": "KIND foo does not exist",
    "n_samples=5 must be at least 150.": "--samples 5 must be at least 150.",
    "noise=-1.0 must be 0 or above.": "--noise -1.0 must be 0 or above.",
    "not settled after max_epochs=30 epochs; raise max_epochs, or raise tol (now 1e-05: the fall)": (
        "not settled after --max-epochs 30 epochs; raise --max-epochs, or raise --tol (now 1e-05: the fall)"
    ),
    "or set nu_y=0.2 if that much is noise.": "or set --nu-y 0.2 if that much is noise.",
    "use n_components=2, or another random_state, and": "use --components 2, or another --seed, and",
    "use fewer n_components.": "use fewer --components.",
    "Lower learning_rate (now 0.01).": "Fit it from Python with a learning_rate below 0.01.",
    # the user's own words, and plain English
    "use one of .csv, .tsv.": "use one of .csv, .tsv.",
    "Aufnahme nix .csv does not exist.": "Aufnahme nix .csv does not exist.",
    "'prior=3' is not a number": "'prior=3' is not a number",
    "my/prior=3.csv does not exist": "my/prior=3.csv does not exist",
    "tol.csv: column 'tol': a sample is missing": "tol.csv: column 'tol': a sample is missing",
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_spelling(sentence):
    assert spelled_as_options(sentence) == SENTENCES[sentence]
