# make demo   a virtual environment, a short clip made from a portrait, and the clip annotated
# make test   the linters and the tests, in the same environment
# make lint   ruff and mypy alone
# make bench  how fast it is, beside fer, the published loop and mere decoding and encoding
# make picture   the picture in the README
# Another Python: make PYTHON=python3.12 …    Another environment: make VENV=path …

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo picture bench test lint clean

demo: $(VENV)/.installed-demo
	$(BIN)/python tools/portrait.py demo/portrait.mp4
	$(BIN)/emotion-cam --video demo/portrait.mp4 --out demo/annotated.mp4 --out demo/faces.csv
	@echo "The result is demo/annotated.mp4 (a video) and demo/faces.csv (every score of every frame)."

picture: $(VENV)/.installed-demo
	$(BIN)/python tools/portrait.py demo/portrait.png
	$(BIN)/emotion-cam --image demo/portrait.png --out docs/portrait.jpg

bench: $(VENV)/.installed-test
	$(BIN)/python benchmarks/speed.py

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict emotion_cam

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group demo
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/.installed-demo
	$(BIN)/python -m pip install --quiet --editable ".[train]" --group dev
	@touch $@

clean:
	rm -rf $(VENV) demo build dist
