"""The micro-world: text whose exact probability is known, and questions with checkable answers."""

from course_lib.world.exam import Accuracy, exam, wilson
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
    "Preference",
    "Question",
    "Score",
    "Span",
    "Verdict",
    "World",
    "WorldConfig",
    "exam",
    "floor",
    "lenient_reward",
    "reply_of",
    "strict_reward",
    "wilson",
]
