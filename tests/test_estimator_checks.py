"""scikit-learn's own conventions: all of ``check_estimator``, and the checks of names and frames that it leaves out."""

from __future__ import annotations

import pytest
from as_users_call import as_users_call
from quick_compile import quick_compile
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from stradiff import Diffusion, GaussianProcess, MonteCarlo, Objective, StrADiff, Training

# The fit that compiles soonest: conventions are checked with a dozen shapes, each of which compiles anew.
SMALLEST = StrADiff(
    n_components=2,
    prior=GaussianProcess("matern12", length_scale=0.1),
    diffusion=Diffusion(n_steps=1, network="none"),
    objective=Objective(lambda_volume=0.0),
    training=Training(max_epochs=1, tol=0.0),
    uncertainty=MonteCarlo(n_draws=2),
    random_state=0,
)
TRAJECTORY = (
    "fit_transform gives the posterior mean of the whole trajectory (section 2.8), transform what the map alone says "
    "of each row, without the prior over time: for the rows of the fit the two are close but not equal"
)
EXPECTED_FAILURES = {
    "check_transformer_general": TRAJECTORY,
    "check_transformer_data_not_an_array": TRAJECTORY,
}
LEFT_OUT = (
    "check_dataframe_column_names_consistency",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_n_features_in_after_fitting",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
)
# These checks pass frames where they fitted arrays, and the other way round, which is what the warnings say.
unnamed = pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compile(), as_users_call():
        yield


@parametrize_with_checks([SMALLEST], expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@unnamed
@pytest.mark.parametrize("name", LEFT_OUT)
def test_conventions_left_out_by_check_estimator(name):
    getattr(estimator_checks, name)("StrADiff", clone(SMALLEST))


def test_the_list_of_what_is_left_out_is_whole():
    """A new check of names or frames in scikit-learn must not go unnoticed."""
    known = {name for name in vars(estimator_checks) if name.startswith("check_")}
    about = {name for name in known if "feature_names" in name or "set_output" in name or "output_transform" in name}
    about |= {"check_dataframe_column_names_consistency", "check_n_features_in_after_fitting"}
    assert about == set(LEFT_OUT)
