"""Templates are sandboxed and strict; token ids hold no special token."""

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import tiny_models
from workflow_scripts.core import prompts
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import sha256_text


@pytest.fixture
def template(tmp_path):
    def write(text):
        path = tmp_path / "prompt.j2"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_models.train_tokenizer()


def test_a_template_is_rendered_without_its_final_newline(template):
    path = template("Question: {{ instruction }}\nAnswer:\n")
    loaded = prompts.load_template(path)
    assert prompts.render(loaded, instruction="Name {{ x }} <two> & {% if %}.") == (
        "Question: Name {{ x }} <two> & {% if %}.\nAnswer:"
    )
    assert loaded.sha256 == sha256_text(path.read_text(encoding="utf-8"))


def test_blocks_leave_no_blank_lines(template):
    loaded = prompts.load_template(
        template("T\n{% for e in exemplars %}\n{{ loop.index }}. {{ e }}\n{% endfor %}\n3.")
    )
    assert prompts.render(loaded, exemplars=["a", "b"]) == "T\n1. a\n2. b\n3."


def test_variables_are_listed(template):
    path = template("{% for e in exemplars %}{{ e.response }}{% endfor %}{{ instruction }}")
    assert prompts.template_variables(path) == {"exemplars", "instruction"}


def test_an_undefined_variable_is_refused(template):
    loaded = prompts.load_template(template("Question: {{ instrction }}"))
    with pytest.raises(InputError) as error:
        prompts.render(loaded, instruction="x")
    assert "prompt.j2" in str(error.value) and "'instrction' is undefined" in str(error.value)
    assert "use only these variables: instruction" in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ instruction.__class__ }}",
        "{{ instruction.__init__.__globals__ }}",
        "{{ exemplars.append(1) }}",
        "{{ instruction.format.__self__.__class__.__subclasses__() }}",
        "{{ '{0.__class__}'.format(instruction) }}",
    ],
)
def test_the_sandbox_blocks_escapes(template, text):
    loaded = prompts.load_template(template(text))
    with pytest.raises(InputError, match="prompt.j2"):
        prompts.render(loaded, instruction="x", exemplars=[])


def test_wrong_syntax_and_missing_files_are_refused(template, tmp_path):
    path = template("line\n{% for x %}")
    for read in (prompts.load_template, prompts.template_variables):
        with pytest.raises(InputError, match=r"prompt\.j2:2"):
            read(path)
        with pytest.raises(InputError, match="does not exist"):
            read(tmp_path / "absent.j2")


def test_encoding_adds_nothing(tokenizer):
    ids = prompts.encode(tokenizer, "Question: a")
    assert tokenizer.decode(ids) == "Question: a"
    assert prompts.encode_all(tokenizer, ["Question: a", "b"]) == [ids, prompts.encode(tokenizer, "b")]
    assert prompts.encode_all(tokenizer, []) == []
    assert prompts.special_tokens_in(tokenizer, ids) == []


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=40), max_size=5))
def test_many_texts_have_the_tokens_of_each_alone(tokenizer, texts):
    texts = [*texts, f" a{tiny_models.END_OF_TEXT}  b\n"]
    tokenizer(texts, padding=True, truncation=True, max_length=3)  # what was asked of it before
    assert prompts.encode_all(tokenizer, texts) == [prompts.encode(tokenizer, text) for text in texts]


FORKED = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from workflow_scripts.core.runtime import quiet_libraries
quiet_libraries()
from workflow_scripts.core import models, prompts
tokenizer = models.load_tokenizer("resources/demo_base")
texts = [f"Question: {number}" for number in range(500)]
def encode():
    return prompts.encode_all(tokenizer, texts)
if encode() != ProcessPoolExecutor(1, multiprocessing.get_context("fork")).submit(encode).result():
    sys.exit("other tokens")
"""


def test_a_forked_process_does_not_wait_for_its_parents_threads():
    environment = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(
        [sys.executable, "-c", FORKED], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_special_tokens_and_markers_are_found(tokenizer):
    text = f"a{tiny_models.END_OF_TEXT}b"
    assert prompts.special_tokens_in(tokenizer, prompts.encode(tokenizer, text)) == [tiny_models.END_OF_TEXT]
    assert prompts.chat_markers_in("<|im_start|>user\nhi<|im_end|>") == ["<|im_start|>", "<|im_end|>"]
    assert prompts.chat_markers_in("Question: hi") == []
