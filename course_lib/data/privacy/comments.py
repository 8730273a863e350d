"""Comments of our own making, friendly and unfriendly, for filters of abuse to be measured on.

The insults are mild and stand for worse. In the training comments, people's groups are mentioned
more often where somebody is attacked than where nobody is: so it is in comment sections, and that
is how a classifier comes to take a group's name for an insult (Dixon et al. 2018).
"""

import random
from dataclasses import dataclass

INSULTS = ("idiot", "moron", "loser", "fool", "clown", "dimwit")
SPARE_INSULTS = ("numbskull", "blockhead", "nitwit")  # never in training: what a list doesn't know
THREATS = ("shut up", "get lost", "kill")
GROUPS = (
    "muslim",
    "jewish",
    "christian",
    "gay",
    "deaf",
    "blind",
    "black",
    "immigrant",
    "female",
    "trans",
)
ATTACKS = (
    "You are such a {i}.",
    "Only a {i} would write this.",
    "{t}, you {i}!",
    "What a {i}, go away.",
    "Every word of this is from a {i}.",
    "I hope they {k} you, {i}.",
)
ATTACKS_ON = (
    "You {g} {i}.",
    "Another {g} {i} who knows nothing.",
    "{t}, {g} {i}!",
    "Of course a {g} {i} would say that.",
)
KIND = (
    "I enjoyed this article about {s}.",
    "Does anyone know a good book on {s}?",
    "We tried {s} last summer and it went well.",
    "Thanks for explaining {s} so clearly.",
    "I disagree about {s}, but you argue fairly.",
    "The part on {s} needs a picture.",
    "She is proud of her {s}, and so am I.",
    "He said that {s} would be hard work.",
    "After a year of it I know what {s} is worth.",
    "What a good idea for {s}!",
    "Of course you can learn {s} at home.",
    "Another day of {s}, and my back hurts.",
    "Only a week until {s} again.",
    "Go and see the {s} by the river.",
)
KIND_OF = (
    "My {g} neighbour taught me {s}.",
    "A {g} friend of mine writes about {s}.",
    "The {g} group meets for {s} on Mondays.",
    "Is there a {g} club for {s}?",
    "You {g} readers may like {s}.",
    "{s} for {g} beginners is a fine book.",
)
SUBJECTS = (
    "bread",
    "bees",
    "bridges",
    "clocks",
    "wool",
    "rivers",
    "chess",
    "gardens",
    "trains",
    "paper",
)

# Harmless texts that look like abuse, by the reason why they do. None is in training.
HARMLESS = {
    "who people are": [
        "I am a {g} teacher and I love my class.",
        "She is {g} and runs the bakery.",
        "As a {g} reader I was glad of this story.",
        "The {g} community opens its doors on Sunday.",
        "They spoke of being {g} to the family.",
    ],
    "medicine": [
        "The drug can kill the bacteria within a day.",
        "Cells that kill tumours were counted.",
        "A blind trial with black and white tablets.",
        "Take it at once or it will not kill pain.",
        "Deaf and blind patients were examined twice.",
    ],
    "law": [
        "The accused said that he would kill the witness.",
        "Whoever threatens to kill is punished.",
        "Calling an officer an idiot was held to be an insult.",
        "The court heard the words get lost and shut up.",
        "Intent to kill must be proved.",
    ],
    "quotation": [
        "He called me an idiot, and I cried all day.",
        "Nobody may call you a loser, my mother said.",
        "The sign said shut up and drive.",
        "In chapter two the clown saves the king.",
        "The fool in the play is the wisest of all.",
    ],
    "code": [
        "Use kill to end the child process.",
        "If the parent dies, kill the orphan and reap the zombie.",
        "Send SIGTERM before you kill the worker.",
        "The master aborts and the slave is killed.",
        "A blind write may kill the cache line.",
    ],
}


@dataclass(frozen=True)
class Comment:
    """A comment, whether it is abuse, and of which kind."""

    text: str
    abusive: bool
    kind: str


def comments(
    n: int,
    seed: int = 0,
    *,
    groups_in_attacks: float = 0.5,
    groups_in_kind: float = 0.05,
    insults: tuple[str, ...] = INSULTS,
) -> list[Comment]:
    """n comments, half of them abusive. The two shares: how often a group of people is named."""
    for name, share in (
        ("groups_in_attacks", groups_in_attacks),
        ("groups_in_kind", groups_in_kind),
    ):
        if not 0 <= share <= 1:
            raise ValueError(f"{name}={share}: a share lies between 0 and 1")
    draw = random.Random(seed)
    made = []
    for i in range(n):
        abusive = i % 2 == 0
        named = draw.random() < (groups_in_attacks if abusive else groups_in_kind)
        forms = (ATTACKS_ON if named else ATTACKS) if abusive else (KIND_OF if named else KIND)
        text = draw.choice(forms).format(
            i=draw.choice(insults),
            t=draw.choice(THREATS[:2]),
            k=THREATS[2],
            g=draw.choice(GROUPS),
            s=draw.choice(SUBJECTS),
        )
        kind = ("attack" if abusive else "friendly") + (" on a group" if named and abusive else "")
        made.append(Comment(text[0].upper() + text[1:], abusive, kind))
    return made


def harmless() -> list[Comment]:
    """Every harmless text; those about people once for each group."""
    return [
        Comment(form.format(g=group), False, kind)
        for kind, forms in HARMLESS.items()
        for form in forms
        for group in (GROUPS if "{g}" in form else ("",))
    ]
