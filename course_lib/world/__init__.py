"""The micro-world: text whose exact probability is known, and questions with checkable answers."""

from course_lib.world.exam import Accuracy, Mark, accuracy, by_kind, exam, mark, wilson
from course_lib.world.preferences import Preference
from course_lib.world.questions import Question, reply_of
from course_lib.world.score import Score
from course_lib.world.trace import Span
from course_lib.world.verify import Verdict, lenient_reward, strict_reward
from course_lib.world.village import WorldConfig
from course_lib.world.vocabulary import UNKNOWN
from course_lib.world.world import Document, Floor, World, floor

__all__ = [
    "UNKNOWN",
    "Accuracy",
    "Document",
    "Floor",
    "Mark",
    "Preference",
    "Question",
    "Score",
    "Span",
    "Verdict",
    "World",
    "WorldConfig",
    "accuracy",
    "by_kind",
    "exam",
    "floor",
    "lenient_reward",
    "mark",
    "reply_of",
    "strict_reward",
    "wilson",
]
