# make demo   a virtual environment, a short clip made from a portrait, and the clip annotated
# make test   the linters and the tests, in the same environment
# make lint   ruff and mypy alone
# make bench  how fast it is, beside fer, the published loop and mere decoding and encoding
# make picture   the pictures in the README; that of the window needs what tools/window.sh names
# make models   all models anew from the data sets in data/ (make DATA=path …): hours; or make model-emotion,
#               model-emotion-fer2013, model-emotion-xception, model-gender. A run that was stopped goes on with
#               make RESUME=--resume …
# make papers   the papers' experiments, and their table
# Another Python: make PYTHON=python3.12 …    Another environment: make VENV=path …

PYTHON ?= python3
VENV ?= .venv
DATA ?= data
RESUME ?=
BIN := $(VENV)/bin

.PHONY: demo picture bench models model-emotion model-emotion-fer2013 model-emotion-xception model-gender papers test lint clean

demo: $(VENV)/.installed-demo
	$(BIN)/python tools/portrait.py demo/portrait.mp4
	$(BIN)/emotion-cam --video demo/portrait.mp4 --out demo/annotated.mp4 --out demo/faces.csv --out demo/report.html
	@echo "The result is demo/annotated.mp4 (a video), demo/faces.csv (every score of every frame) and demo/report.html."

picture: $(VENV)/.installed-test
	$(BIN)/python tools/portrait.py demo/portrait.png
	$(BIN)/emotion-cam --image demo/portrait.png --out docs/portrait.jpg
	$(BIN)/emotion-cam explain demo/portrait.png --out docs/why.jpg
	tools/window.sh $(BIN)/emotion-cam demo/portrait.png docs/window.jpg
	$(BIN)/python tools/portrait.py demo/portrait.mp4
	$(BIN)/emotion-cam --video demo/portrait.mp4 --out demo/faces.csv
	$(BIN)/emotion-cam report demo/faces.csv --video demo/portrait.mp4 --out docs/report.png

bench: $(VENV)/.installed-test
	$(BIN)/python benchmarks/speed.py

CAM = $(BIN)/emotion-cam
FER_AND_RAF = --data fer2013=$(DATA)/fer2013 --data ferplus=$(DATA)/fer2013 --data rafdb=$(DATA)/rafdb
FAIR_AND_UTK = --data fairface=$(DATA)/fairface --data utkface=$(DATA)/utkface

models: model-emotion model-emotion-fer2013 model-gender model-emotion-xception

model-emotion: runs/emotion-2 runs/emotion-3
	$(CAM) average $^ --data ferplus=$(DATA)/fer2013 --data rafdb=$(DATA)/rafdb --out models/emotion
	$(CAM) export models/emotion --calibrate --data ferplus=$(DATA)/fer2013 --data rafdb=$(DATA)/rafdb
	$(CAM) evaluate models/emotion --card --split validation $(FER_AND_RAF)
	$(CAM) evaluate models/emotion --card --framing $(FER_AND_RAF)

runs/emotion-3: runs/emotion-2
	$(CAM) train --task emotion --data ferplus=$(DATA)/fer2013 --data rafdb=$(DATA)/rafdb --init runs/emotion-2 \
	  --epochs 28 --learning-rate 2e-3 --weight-decay 1e-3 --balance 0.1 --augmentation framing --average 1 --seed 7 \
	  --out runs/emotion-3 $(RESUME)

runs/emotion-2: runs/emotion-1
	$(CAM) train --task emotion --data ferplus=$(DATA)/fer2013 --data rafdb=$(DATA)/rafdb --init runs/emotion-1 \
	  --epochs 36 --learning-rate 2e-3 --weight-decay 1e-3 --balance 0.3 --augmentation framing --seed 4 \
	  --out runs/emotion-2 $(RESUME)

runs/emotion-1: | $(VENV)/.installed-test
	$(CAM) train --task emotion --data fer2013=$(DATA)/fer2013 --data rafdb=$(DATA)/rafdb --epochs 60 --learning-rate 3e-3 \
	  --votes 0.7 --weight-decay 1e-3 --balance 0.3 --seed 2 --out runs/emotion-1 $(RESUME)

model-emotion-fer2013: runs/fer2013-1 runs/xception-2
	$(CAM) train --task emotion --data fer2013=$(DATA)/fer2013 --init runs/fer2013-1 --teacher runs/xception-2 \
	  --teacher runs/fer2013-1 --votes 0.3 --epochs 18 --learning-rate 2e-3 --weight-decay 1e-3 --average 1 \
	  --augmentation framing --seed 6 --out models/emotion-fer2013 $(RESUME)
	$(CAM) export models/emotion-fer2013 --calibrate --data fer2013=$(DATA)/fer2013
	$(CAM) evaluate models/emotion-fer2013 --card --split validation --data fer2013=$(DATA)/fer2013
	$(CAM) evaluate models/emotion-fer2013 --card --framing $(FER_AND_RAF)

runs/fer2013-1: | $(VENV)/.installed-test
	$(CAM) train --task emotion --data fer2013=$(DATA)/fer2013 --epochs 75 --learning-rate 3e-3 --votes 0.3 \
	  --weight-decay 1e-3 --seed 1 --out runs/fer2013-1 $(RESUME)

model-gender: runs/gender-3
	$(CAM) train --task gender --data fairface=$(DATA)/fairface --init runs/gender-3 --steady --size 64 --margin 0.125 \
	  --epochs 14 --learning-rate 3e-3 --weight-decay 1e-3 --balance 1 --emphasis race=Black:1.5 \
	  --emphasis "race=Southeast Asian:1.5" --augmentation framing --average 1 --seed 5 --out models/gender $(RESUME)
	$(CAM) export models/gender --calibrate --data fairface=$(DATA)/fairface
	$(CAM) evaluate models/gender --card --split validation --data fairface=$(DATA)/fairface
	$(CAM) evaluate models/gender --card --framing $(FAIR_AND_UTK)

runs/gender-3: runs/gender-2
	$(CAM) train --task gender --data fairface=$(DATA)/fairface --init runs/gender-2 --size 64 --margin 0.125 --epochs 18 \
	  --learning-rate 3e-3 --weight-decay 1e-3 --balance 1 --augmentation framing --seed 3 --out runs/gender-3 $(RESUME)

runs/gender-2: runs/gender-1
	$(CAM) train --task gender --data fairface=$(DATA)/fairface --init runs/gender-1 --size 64 --epochs 10 \
	  --learning-rate 2e-3 --weight-decay 1e-3 --balance 1 --seed 2 --out runs/gender-2 $(RESUME)

runs/gender-1: | $(VENV)/.installed-test
	$(CAM) train --task gender $(FAIR_AND_UTK) --size 64 --epochs 14 --learning-rate 4e-3 --weight-decay 1e-3 --seed 1 \
	  --out runs/gender-1 $(RESUME)

XCEPTION = train --task emotion --data fer2013=$(DATA)/fer2013 --network xception --size 71 --width 0.25 \
  --middle-blocks 2 --votes 0.3 --epochs 12 --weight-decay 1e-3

model-emotion-xception: runs/xception-2
	cp runs/xception-2/* models/emotion-xception
	$(CAM) export models/emotion-xception --calibrate --data fer2013=$(DATA)/fer2013
	$(CAM) evaluate models/emotion-xception --card --split validation --data fer2013=$(DATA)/fer2013
	$(CAM) evaluate models/emotion-xception --card $(FER_AND_RAF)

runs/xception-2: runs/xception
	$(CAM) $(XCEPTION) --init runs/xception --average 1 --augmentation strong --seed 2 --out runs/xception-2 $(RESUME)

runs/xception: | $(VENV)/.installed-test
	$(CAM) $(XCEPTION) --seed 1 --out runs/xception $(RESUME)

# The papers' experiments: Mini-Xception as it is, and with one thing changed, on the same schedule.
PAPERS = published no-residual middle-activation no-separable

papers: $(PAPERS:%=runs/papers/%)
	$(BIN)/python tools/models_table.py $^

runs/papers/%: | $(VENV)/.installed-test
	mkdir -p runs/papers
	$(CAM) train --task emotion --data fer2013=$(DATA)/fer2013 --epochs 6 --learning-rate 3e-3 --seed 1 \
	  $(filter-out --published,--$*) --out $@ $(RESUME)
	$(CAM) evaluate $@ --card --data fer2013=$(DATA)/fer2013

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
	$(BIN)/python -m pip install --quiet --editable ".[report]" --group demo
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/.installed-demo
	$(BIN)/python -m pip install --quiet --editable ".[report,train,virtual-camera]" --group dev
	@touch $@

clean:
	rm -rf $(VENV) demo build dist
