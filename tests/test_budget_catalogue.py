"""The GPU catalogue: what is stated, what is scaled, and what is refused."""

from pathlib import Path

import pytest
import yaml

from tests.budget_files import CATALOGUE
from tests.changed_field import LEFT_OUT, with_field
from workflow_scripts.core.budget.catalogue import load_catalogue
from workflow_scripts.core.budget.throughput import KINDS, throughput_of, throughputs_of
from workflow_scripts.core.errors import InputError

CONTENT = yaml.safe_load(Path(CATALOGUE).read_text())
SHIPPED = load_catalogue(CATALOGUE)
SIZE = SHIPPED.shape.parameters


def test_the_reference_gpu_is_as_it_is_stated():
    found = throughputs_of(SHIPPED, SHIPPED.gpu("h100-80gb"), SIZE, "fp8")
    assert found["decode"].per_second.low == 2200 and found["decode"].source == "catalogue"
    assert "unmeasured" in found["decode"].method


def test_a_gpu_without_rates_is_scaled_by_bandwidth_and_arithmetic():
    h200, h100 = SHIPPED.gpu("h200-141gb"), SHIPPED.gpu("h100-80gb")
    found, reference = (throughputs_of(SHIPPED, gpu, SIZE, "bfloat16") for gpu in (h200, h100))
    assert found["decode"].per_second.low == pytest.approx(reference["decode"].per_second.low * 4800 / 3350)
    assert found["training"].per_second == reference["training"].per_second  # the same arithmetic
    assert {rate.source for rate in found.values()} == {"scaled"}
    assert found["decode"].method == "scaled: H100 80GB x 1.43 (bandwidth)"


def test_another_model_is_scaled_by_its_parameters():
    gpu = SHIPPED.gpu("h100-80gb")
    for kind in KINDS:
        same, half = (throughput_of(kind, SHIPPED, gpu, size, "bfloat16") for size in (SIZE, SIZE / 2))
        assert half.per_second.low == pytest.approx(2 * same.per_second.low)
        assert half.source == "scaled" and "x 2 (parameters)" in half.method


def test_a_precision_that_is_not_stated_is_said_to_be_another():
    rate = throughput_of("decode", SHIPPED, SHIPPED.gpu("h100-80gb"), SIZE, "nf4")
    assert rate.method.endswith("; stated for bfloat16, used for nf4")


def test_a_virtual_entry_is_compared_only_where_it_is_configured():
    assert "demo-cpu" not in [gpu.id for gpu in SHIPPED.compared("h100-80gb")]
    assert len(SHIPPED.compared("demo-cpu")) == len(SHIPPED.compared("h100-80gb")) + 1


def catalogue_with(tmp_path, field, value):
    path = tmp_path / "gpus.yaml"
    path.write_text(yaml.safe_dump(with_field(CONTENT, field, value)))
    return path


H100 = "gpus/h100-80gb"


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        (f"{H100}/dollars_per_hour", 0, "gpus.h100-80gb.dollars_per_hour = 0: give a number above 0"),
        (f"{H100}/dollars_per_hour", -2.69, "dollars_per_hour = -2.69"),
        (f"{H100}/dollars_per_hour", "2.69", "dollars_per_hour = '2.69'"),
        (f"{H100}/dollars_per_hour", True, "dollars_per_hour = True"),
        (f"{H100}/memory_gb", float("nan"), "memory_gb = nan"),
        (f"{H100}/memory_gb", LEFT_OUT, "gpus.h100-80gb.memory_gb: give a number above 0"),
        (f"{H100}/name", "", "gpus.h100-80gb.name = ''"),
        (f"{H100}/jobs_at_once", 0, "gpus.h100-80gb.jobs_at_once = 0: give a whole number of 1 or more"),
        (f"{H100}/jobs_at_once", 1.5, "jobs_at_once = 1.5"),
        (f"{H100}/tokens_per_second/training", {"low": -1, "high": 5}, "tokens_per_second.training = "),
        (f"{H100}/tokens_per_second/training", {"low": 5, "high": 1}, "low is above high"),
        (
            f"{H100}/tokens_per_second/generation/bfloat16/decode",
            None,
            "generation.bfloat16.decode: give low",
        ),
        (f"{H100}/tokens_per_second/generation", {"fp8": {}}, "generation = ['fp8']: give bfloat16"),
        (f"{H100}/tokens_per_second/generation/int3", {}, "generation.int3: the precisions are float32"),
        ("gpus/demo-cpu/tokens_per_second/parameters", 0, "tokens_per_second.parameters = 0"),
        ("gpus", {}, "gpus = {}: list one GPU or more"),
        ("gpus/h100-80gb", None, "gpus.h100-80gb: give name, dollars_per_hour"),
        ("reference_gpu", "h300", "reference_gpu = 'h300': name an entry"),
        ("reference_gpu", "h200-141gb", "reference_gpu = 'h200-141gb': name an entry of gpus that states"),
        ("reference_model/hidden_size", 0, "hidden_size = 0"),
        ("reference_model", None, "reference_model: give the sizes"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_name(tmp_path, field, value, named):
    path = catalogue_with(tmp_path, field, value)
    with pytest.raises(InputError) as refused:
        load_catalogue(path)
    assert named in str(refused.value) and str(path) in str(refused.value)


@pytest.mark.parametrize("content", [b"gpus: [", b"- a list", b"\xff\xfe", b""])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path, content):
    path = tmp_path / "gpus.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="gpus.yaml"):
        load_catalogue(path)
    with pytest.raises(InputError, match="does not exist"):
        load_catalogue(tmp_path / "absent.yaml")


def test_an_unknown_gpu_is_refused():
    with pytest.raises(InputError, match="budget.gpu = 'h300': config/gpus.yaml has h100-80gb, a100-80gb"):
        SHIPPED.gpu("h300")
