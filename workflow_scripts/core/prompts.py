"""Prompt templates (sandboxed Jinja2 files) and token ids. No chat template, no special tokens, ever."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import sha256_text

# Text by which chat formats mark a turn; a completion-mode prompt that holds one was wrapped by mistake.
CHAT_MARKERS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|eot_id|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "### Instruction:",
    "### Response:",
)
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=False, autoescape=False
)


@dataclass(frozen=True)
class Template:
    """A prompt template: where it was read, its SHA-256 (of the file's text) and its compiled form."""

    path: str
    sha256: str
    compiled: jinja2.Template


def _read(path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(file=path, remedy="this prompt template does not exist: create it") from None


def _syntax_error(path, error: jinja2.TemplateSyntaxError) -> InputError:
    return InputError(file=f"{path}:{error.lineno}", remedy=f"correct the Jinja2 syntax: {error.message}")


@functools.cache
def _compile(path: str, text: str) -> Template:
    return Template(path, sha256_text(text), _ENVIRONMENT.from_string(text))


def load_template(path) -> Template:
    """Reads and compiles a template file. InputError when it is missing or is not valid Jinja2."""
    text = _read(path)
    try:
        return _compile(str(path), text)
    except jinja2.TemplateSyntaxError as error:
        raise _syntax_error(path, error) from None


def template_variables(path) -> set[str]:
    """Names of the variables a template needs from outside. InputError as in `load_template`."""
    try:
        return meta.find_undeclared_variables(_ENVIRONMENT.parse(_read(path)))
    except jinja2.TemplateSyntaxError as error:
        raise _syntax_error(path, error) from None


def render(template: Template, **variables) -> str:
    """The prompt text. Values are inserted as they are: Jinja2 syntax inside a value stays text.

    InputError when the template uses a variable that is not given, or reaches for what the sandbox forbids.
    """
    try:
        return template.compiled.render(**variables)
    except jinja2.UndefinedError as error:
        remedy = f"use only these variables: {', '.join(sorted(variables))}"
        raise InputError(file=template.path, field="variable", value=error.message, remedy=remedy) from None
    except jinja2.exceptions.SecurityError as error:
        raise InputError(
            file=template.path,
            field="expression",
            value=error.message,
            remedy="templates may only insert text",
        ) from None


def encode(tokenizer, text: str) -> list[int]:
    """Token ids of a text, without any special token added."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def encode_all(tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of many texts, without any special token added, as `encode` has them."""
    # Without transformers' other columns and offsets; `models.check_tokenizer` saw that the two agree.
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return [encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=False)]


def special_token_ids(tokenizer) -> set[int]:
    """Ids of the control tokens of a tokenizer, chat tokens among them."""
    added = tokenizer.added_tokens_decoder.items()
    return {*tokenizer.all_special_ids, *(index for index, token in added if token.special)}


def special_tokens_in(tokenizer, ids: Sequence[int]) -> list[str]:
    """Special tokens in a prompt, in order."""
    special = special_token_ids(tokenizer)
    return [tokenizer.convert_ids_to_tokens(token) for token in ids if token in special]


def chat_markers_in(text: str) -> list[str]:
    """Chat-format markers that occur in a text, whether or not the tokenizer knows them as tokens."""
    return [marker for marker in CHAT_MARKERS if marker in text]
