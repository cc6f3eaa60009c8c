"""Where numbers come from, over all records."""

from normzoo.report import provenance

from .synthetic import by_key, run


def test_distinct_values_are_listed_once_and_nested_ones_named_by_both() -> None:
    found = provenance(
        by_key(
            run(0.9, environment={"device": "cpu", "versions": {"torch": "2.9"}}),
            run(0.9, seed=1, environment={"device": "cpu", "versions": {"torch": "2.10"}}, strategy="stacked"),
        )
    )
    assert found.environment == {"device": ("cpu",), "versions.torch": ("2.10", "2.9")}
    assert found.strategies == ("sequential", "stacked")
    assert found.dataset_checksums == ("0123abcd",)


def test_training_time_is_that_of_all_epochs_of_all_runs() -> None:
    found = provenance(by_key(run(0.9, seconds=(1.0, 2.0)), run("diverged", seed=1, seconds=(0.25,))))
    assert (found.runs, found.training_seconds) == (2, 3.25)


def test_the_order_of_the_records_does_not_matter() -> None:
    # Added from the left, 1e16 + 1 + 1 loses what 1 + 1 + 1e16 keeps.
    runs = [
        run(0.9, seed=seed, seconds=(seconds,), environment={"threads": seed})
        for seed, seconds in enumerate((1e16, 1.0, 1.0))
    ]
    assert provenance(by_key(*runs)) == provenance(by_key(*reversed(runs)))
