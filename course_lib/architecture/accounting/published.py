"""Published models: the sizes that their reports give, and the counts they say come of them."""

from dataclasses import dataclass, replace

from course_lib.architecture.accounting.sizes import Sizes


@dataclass(frozen=True, kw_only=True)
class Published:
    """A model with the source of its sizes, and the numbers of weights that its makers report.

    `exact`: the report counts to the last weight. `non_embedding` and `active` are 0 where it
    doesn't say.
    """

    name: str
    sizes: Sizes
    source: str  # bib key
    where: str  # table or section
    total: int | float
    active: int | float = 0
    non_embedding: int | float = 0
    exact: bool = False


_GPT3 = Sizes(
    vocab_size=50_257,
    d_model=12_288,
    n_layers=96,
    n_heads=96,
    n_kv_heads=96,
    d_head=128,
    d_ff=4 * 12_288,
    gated=False,
    tied=True,
    biases="all",
    learned_positions=2048,
    norm_bias=True,
)
_LLAMA = Sizes(
    vocab_size=128_256,
    d_model=4096,
    n_layers=32,
    n_heads=32,
    n_kv_heads=8,
    d_head=128,
    d_ff=14_336,
)
_MISTRAL = replace(_LLAMA, vocab_size=32_000, window=4096)
_GEMMA = Sizes(
    vocab_size=256_128,
    d_model=2048,
    n_layers=18,
    n_heads=8,
    n_kv_heads=1,
    d_head=256,
    d_ff=16_384,
    tied=True,
)
_QWEN3 = Sizes(
    vocab_size=151_936,
    d_model=4096,
    n_layers=36,
    n_heads=32,
    n_kv_heads=8,
    d_head=128,
    d_ff=12_288,
    qk_norm=True,
)
_DEEPSEEK = Sizes(
    vocab_size=129_280,
    d_model=7168,
    n_layers=61,
    n_heads=128,
    n_kv_heads=128,
    d_head=128,
    d_ff=18_432,
    n_experts=256,
    experts_a_token=8,
    shared_experts=1,
    d_expert=2048,
    dense_layers=3,
    kv_rank=512,
    q_rank=1536,
    d_rope=64,
    d_value=128,
)

PUBLISHED = (
    Published(
        name="GPT-3 175B", sizes=_GPT3, source="brown2020gpt3", where="Table 2.1", total=175.0e9
    ),
    Published(
        name="Llama 3 8B", sizes=_LLAMA, source="grattafiori2024llama3", where="Table 3", total=8e9
    ),
    Published(
        name="Llama 3 70B",
        source="grattafiori2024llama3",
        where="Table 3",
        total=70e9,
        sizes=replace(_LLAMA, d_model=8192, n_layers=80, n_heads=64, d_ff=28_672),
    ),
    Published(
        name="Llama 3 405B",
        source="grattafiori2024llama3",
        where="Table 3",
        total=405e9,
        sizes=replace(_LLAMA, d_model=16_384, n_layers=126, n_heads=128, d_ff=53_248),
    ),
    Published(
        name="Mistral 7B", sizes=_MISTRAL, source="jiang2023mistral", where="Table 1", total=7e9
    ),
    Published(
        name="Mixtral 8x7B",
        source="jiang2024mixtral",
        where="Table 1, section 1",
        total=47e9,
        active=13e9,
        sizes=replace(_MISTRAL, window=0, n_experts=8, experts_a_token=2, d_expert=14_336),
    ),
    Published(
        name="Gemma 2B",
        sizes=_GEMMA,
        source="gemma2024",
        where="Tables 1 and 2",
        total=524_550_144 + 1_981_884_416,
        non_embedding=1_981_884_416,
        exact=True,
    ),
    Published(
        name="Gemma 7B",
        source="gemma2024",
        where="Tables 1 and 2",
        total=786_825_216 + 7_751_248_896,
        non_embedding=7_751_248_896,
        exact=True,
        sizes=replace(_GEMMA, d_model=3072, n_layers=28, n_heads=16, n_kv_heads=16, d_ff=24_576),
    ),
    Published(
        name="Gemma 2 9B",
        source="gemma2024two",
        where="Tables 1 and 2",
        total=917_962_752 + 8_324_201_984,
        non_embedding=8_324_201_984,
        exact=True,
        sizes=replace(
            _GEMMA,
            d_model=3584,
            n_layers=42,
            n_heads=16,
            n_kv_heads=8,
            d_ff=14_336,
            norms_a_layer=4,
            window=4096,
            full_layers=21,
        ),
    ),
    Published(
        name="Qwen3 0.6B",
        source="yang2025qwen3",
        where="Table 1; model card",
        total=0.6e9,
        non_embedding=0.44e9,
        sizes=replace(_QWEN3, d_model=1024, n_layers=28, n_heads=16, d_ff=3072, tied=True),
    ),
    Published(
        name="Qwen3 8B",
        sizes=_QWEN3,
        source="yang2025qwen3",
        where="Table 1; model card",
        total=8.2e9,
        non_embedding=6.95e9,
    ),
    Published(
        name="DeepSeek-V3",
        sizes=_DEEPSEEK,
        source="deepseek2024v3",
        where="section 4.2",
        total=671e9,
        active=37e9,
    ),
)


def published(name: str) -> Published:
    """The model of that name. Raises ValueError that lists the known ones."""
    for model in PUBLISHED:
        if model.name == name:
            return model
    raise ValueError(f"{name!r}: expected one of {', '.join(m.name for m in PUBLISHED)}")
