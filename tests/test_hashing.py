"""Canonical JSON, digests and seeds."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.core import hashing
from workflow_scripts.core.errors import InputError


def test_an_error_is_one_line_of_file_field_value_and_remedy():
    error = InputError(file="config.yaml", field="sft.epochs", value="two", remedy="give a\nnumber")
    assert str(error) == "config.yaml: sft.epochs = 'two': give a number"
    assert str(InputError(file="a", remedy="make it")) == "a: make it"


def test_canonical_json_ignores_the_order_of_keys():
    assert hashing.canonical_json({"b": 1, "a": [1.5, None, "é"]}) == '{"a":[1.5,null,"é"],"b":1}'
    assert hashing.canonical_json({"a": 1, "b": 2}) == hashing.canonical_json({"b": 2, "a": 1})


def test_canonical_json_refuses_nan():
    with pytest.raises(ValueError):
        hashing.canonical_json(float("nan"))


def test_known_digests():
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert hashing.sha256_text("") == hashing.sha256_bytes(b"") == empty
    assert hashing.token_ids_sha256([1, 2]) == hashing.sha256_text("[1,2]")
    assert hashing.token_ids_sha256(numpy.array([1, 2])) == hashing.token_ids_sha256([1, 2])


def test_a_tree_is_named_by_relative_paths(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"1")
    assert list(hashing.sha256_tree(tmp_path)) == ["a", "b/x"]


def test_a_model_s_weights_digest_sees_weights_alone(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"1")
    before = hashing.sha256_weights(tmp_path)
    (tmp_path / "README.md").write_text("more")
    assert hashing.sha256_weights(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert hashing.sha256_weights(tmp_path) != before


@given(st.integers(), st.lists(st.one_of(st.integers(), st.text())))
def test_seeds_fit_a_signed_64_bit_column(root, parts):
    assert 0 <= hashing.derive_seed(root, *parts) < 2**63


def test_seeds_are_fixed_and_differ_by_part():
    assert hashing.derive_seed(1, "generation", 0, 7) == 2244646310261134556
    seeds = {hashing.derive_seed(1, "generation", shard, index) for shard in range(30) for index in range(30)}
    assert len(seeds) == 900
    assert hashing.derive_seed(1, "a", "b") != hashing.derive_seed(1, "ab")
