# The two commands: `make book` and `make test`. Everything else serves them.
#
#   make book    environment, model, chapters, rendered book    make lab    JupyterLab on the chapters
#   make test    all of that, checked                           make chat   talk to the model
#   make quick   lint, and the tests of what changed: 3 min     make serve  an OpenAI-compatible server
#   make bench   the benchmarks, ours beside its peers
#
# Settings:  TORCH=cpu       PyTorch's CPU build (Linux: 200 MB instead of 3 GB with CUDA)
#            PYTHON=…        the Python to make .venv from (3.11 to 3.13)
#            PROFILE=gpu     sizes for one GPU (cpu by default; colab, auto)

.PHONY: book test quick lab chat serve bench clean distclean lock env notebooks execute setup help
.DEFAULT_GOAL := book

PROFILE ?= cpu
export TORCH PYTHON
export COURSE_HOME ?= $(CURDIR)/.course
export COURSE_PROFILE ?= $(PROFILE)
export HF_HUB_OFFLINE ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export TOKENIZERS_PARALLELISM ?= false
PY := .venv/bin/python

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

# .venv with the lock in it; made again only when the lock or pyproject.toml changes.
setup:
	@tools/setup.sh

book: setup
	@$(PY) -m tools.book

test: setup
	@$(PY) -m tools.check

quick: setup
	@$(PY) -m tools.quick

lab: setup notebooks
	@.venv/bin/jupyter lab --notebook-dir=.

chat: setup
	@.venv/bin/course chat

serve: setup
	@.venv/bin/course serve

bench: setup
	@$(PY) -m tools.bench

execute: setup
	@$(PY) -m tools.execute

# Generated files. `make test` fails where one has drifted.
notebooks: setup
	@$(PY) -m tools.notebooks
	@$(PY) -m tools.draw_map

env: setup
	@$(PY) -m tools.environment

# requirements.lock, read off the environment in .venv: what pyproject.toml needs, as installed.
# To take newer versions, first: .venv/bin/pip install --upgrade -e '.[book,peers,dev]'
lock:
	@$(PY) -m tools.lock

# What was rendered and executed; the model (minutes to build) and .venv stay. distclean takes all.
clean:
	rm -rf _build .course/executed

distclean: clean
	rm -rf .course .venv *.egg-info
