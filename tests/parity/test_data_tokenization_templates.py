"""Chat templates in our code, against `apply_chat_template` of the same file."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from course_lib import lineage
from course_lib.data.sources.source import source
from course_lib.data.tokenization.byte_level import ByteLevelBPE
from course_lib.data.tokenization.chat import CHAT_TEMPLATE
from course_lib.data.tokenization.templates import ChatTemplate
from course_lib.data.tokenization.tokenizer import train_bpe

CHATML = """{%- if messages[0]['role'] == 'system' -%}
    {{- '<|user|>' + messages[0]['content'] + '<|end|>\\n' }}
{%- endif %}
{% for message in messages %}
    {% if message.role == "assistant" %}
<|assistant|>{% generation %}{{ message.content }}<|end|>
{% endgeneration %}
    {%- else %}
        {%- set ns = namespace(text=message.content | trim) %}
<|user|>{{ ns.text }}{{ message | tojson }}<|end|>
    {% endif %}
{% endfor %}
{% if tools is not none %}tools{% endif %}
{% if add_generation_prompt %}<|assistant|>{% endif %}"""
WORDS = st.one_of(st.text(max_size=20), st.sampled_from(["<|end|>", " hello", "\n", "é<x>&"]))
CHATS = st.lists(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["user", "assistant"]),
        WORDS,
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> PreTrainedTokenizerFast:
    texts = [r.text[:2000] for r in source("python_docs", kinds=("reference",))][:20]
    hub = train_bpe(texts, 500).to_transformers()
    folder = tmp_path_factory.mktemp("tokenizer")
    hub.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def ours(theirs) -> ByteLevelBPE:
    return ByteLevelBPE.load(theirs.name_or_path)


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, CHATML], ids=["the course's", "ChatML"])
@settings(deadline=None, max_examples=150)
@given(messages=CHATS, prompt=st.booleans())
def test_texts_ids_and_masks(theirs, ours, template, messages, prompt):
    ask = {"chat_template": template, "tokenize": False, "add_generation_prompt": prompt}
    chat = ChatTemplate(template, ours)
    wanted = theirs.apply_chat_template(messages, **ask)
    assert chat.text(messages, add_generation_prompt=prompt) == wanted
    both = theirs.apply_chat_template(
        messages, chat_template=template, return_dict=True, return_assistant_tokens_mask=True
    )
    ids, written = chat.conversation(messages)
    assert ids == both["input_ids"]
    if all(m["content"].isascii() and m["content"] for m in messages if m["role"] == "assistant"):
        assert [int(w) for w in written] == both["assistant_masks"]


def test_the_published_template(parity):
    folder = lineage.published()
    if folder is None:
        pytest.skip(lineage.PUBLISHED_MISSING)
    hub = AutoTokenizer.from_pretrained(folder)
    chat = ChatTemplate(hub.chat_template, ByteLevelBPE.load(folder), **hub.special_tokens_map)
    user, system = (
        {"role": "user", "content": "Is 7 prime?"},
        {"role": "system", "content": "Be short."},
    )
    reply = {"role": "assistant", "content": "Yes.\n\n<|im_end|>"}
    chats = [[user], [system, user], [user, reply, user], [system, user, reply]]
    wrong = 0
    for messages in chats:
        for prompt in (False, True):
            wanted = hub.apply_chat_template(messages, add_generation_prompt=prompt)["input_ids"]
            wrong += chat.ids(messages, add_generation_prompt=prompt) != wanted
    parity(
        stem="data",
        ours="data.tokenization.templates.ChatTemplate",
        reference="transformers.PreTrainedTokenizerFast.apply_chat_template",
        error=wrong,
        tolerance=0,
        note="conversations with other ids, by SmolLM2's template, system message or none",
    )
