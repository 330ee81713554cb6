# Two commands do everything: `make book` and `make test`. Each sets up .venv first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup lab book notebooks book-full book-quick solutions slides assignment grade html pdf sheet zip results test lint format bench constraints clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one with make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[book,test]'
	$(BIN)/python -m ipykernel install --sys-prefix --name python3 >/dev/null
	@touch $@

setup: $(READY) ## create .venv with everything

lab: $(READY) ## open the notebooks in JupyterLab, which shows their text as the book does
	$(BIN)/jupyter trust book/*.ipynb >/dev/null
	$(BIN)/jupyter lab book

book: $(READY) ## run every notebook, then build and check the book; all of it in _build
	$(BIN)/dynamix book run --keep --jobs $(JOBS)
	$(BIN)/dynamix book build html --ran --repository '$(REPOSITORY)'

notebooks: $(READY) ## run every notebook in place, and check it
	$(BIN)/dynamix book run --jobs $(JOBS)

book-full: $(READY) ## recompute the stored results too (hours; goes on where it stopped), then make notebooks html
	$(BIN)/dynamix book recompute --resume --jobs $(JOBS)
	@$(MAKE) --no-print-directory results notebooks html

book-quick: $(READY) ## run every notebook on small parameters, into _build/quick
	$(BIN)/dynamix book run $(NN) --profile quick --jobs $(JOBS)

solutions: $(READY) ## run the solutions of all exercises and show what they print
	$(BIN)/dynamix book solutions

slides: $(READY) ## the slides of all chapters, or of one with NN=04
	$(BIN)/dynamix book slides $(NN)

assignment: $(READY) ## notebooks for students and teachers from a chapter's exercises: NN=04
	$(BIN)/dynamix book assignment $(or $(NN),$(error name a chapter: make assignment NN=04))

grade: $(READY) ## grade a student's notebook: NN=04 SUBMISSION=path/to.ipynb
	$(BIN)/dynamix book grade $(NN) $(SUBMISSION)

html: $(READY) ## build the book from the stored outputs, and check it
	$(BIN)/dynamix book build html --repository '$(REPOSITORY)'

pdf: $(READY) ## the whole book as one PDF (needs a Chromium)
	$(BIN)/dynamix book build pdf --repository '$(REPOSITORY)'

sheet: html ## the cheat sheet on one page of A4 (needs a Chromium)
	$(BIN)/dynamix book build sheet

zip: html ## the pages in one file, to carry along
	$(BIN)/dynamix book build zip

results: $(READY) ## write the page of stored results anew
	$(BIN)/dynamix book results

# the tests rerun the front page and chapters 5 to 9
# two processes, each with threads for its linear algebra, wait for each other: seventy times as long
test: export OMP_NUM_THREADS = 1
test: $(READY) ## lint, check types, build the pages, run the tests and every notebook
	@$(MAKE) --no-print-directory --jobs=$(JOBS) lint html
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal
	@$(MAKE) --no-print-directory book-quick NN='01 02 03 04 1'

bench: $(READY) ## measure the engine (a quarter of an hour; keep the machine quiet)
	$(BIN)/python experiments/bench.py --output results/bench.json

lint: $(READY) ## ruff, mypy, and the layers of the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## put code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: $(READY) ## pin what is installed now
	@head -2 constraints.txt > constraints.new
	@$(BIN)/python -m pip freeze --exclude-editable | sed -E 's/^(torch==[^+]*).*/\1/' >> constraints.new
	@mv constraints.new constraints.txt

clean: ## remove what was built (not .venv)
	rm -rf _build build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
