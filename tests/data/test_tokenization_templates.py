"""Chat templates: what they may not do, and what is refused by name."""

import json

import pytest

from course_lib.data.tokenization.byte_level import ByteLevelBPE
from course_lib.data.tokenization.templates import ChatTemplate
from course_lib.data.tokenization.tokenizer import Tokenizer

USER = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def tokenizer() -> ByteLevelBPE:
    hub = Tokenizer([]).to_transformers()
    return ByteLevelBPE(json.loads(hub.backend_tokenizer.to_str()))


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{% set ns = namespace() %}{% set ns.__init__ = 1 %}",
        "{{ namespace(__class__=1) }}",
        "{{ raise_exception('no system message') }}",
        "{{ messages[9].content.x }}",
        "{{ 1 / 0 }}",
        "{{ 'a' + 1 }}",
        "{{ [1][9].x }}",
        "{% for i in range(10**7) %}x{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_template_reaches_nothing_and_its_refusals_are_value_errors(tokenizer, template):
    with pytest.raises(ValueError, match="chat template"):
        ChatTemplate(template, tokenizer).text(USER)


def test_a_broken_template_is_refused_when_it_is_read(tokenizer):
    with pytest.raises(ValueError, match="chat template"):
        ChatTemplate("{% for %}", tokenizer)


def test_a_model_without_a_template(tokenizer):
    with pytest.raises(ValueError, match="expected Jinja"):
        ChatTemplate(None, tokenizer)


def test_messages_that_no_file_could_hold(tokenizer):
    with pytest.raises(ValueError, match=r"set .* expected"):
        ChatTemplate("{{ messages }}", tokenizer).text([{"role": "user", "content": {1}}])


@pytest.mark.parametrize(
    "before",
    ["", "{% if add_generation_prompt %}<|a|>{% endif %}", "{# {% generation %} #}", "generation"],
    ids=["nothing", "the prompt's own word", "a remark", "a text"],
)
def test_without_generation_nobody_knows_who_wrote_what(tokenizer, before):
    chat = ChatTemplate(before + "{{ messages[0].content }}", tokenizer)
    assert chat.text(USER).endswith("hi")
    with pytest.raises(ValueError, match="generation"):
        chat.conversation(USER)


def test_messages_are_left_as_they_were(tokenizer):
    chat = ChatTemplate("{% for m in messages %}{{ m.content | upper }}{% endfor %}", tokenizer)
    messages = [dict(USER[0])]
    assert chat.text(messages) == "HI" and messages == USER
