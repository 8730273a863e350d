"""The groups under which `course --help` lists its commands, so that they fit a screen."""

OWN = "Your own text and models"
OURS = "The course's model and its records"
CLASS = "Learning and teaching"
