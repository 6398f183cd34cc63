# Everything starts from here; nothing but Python >= 3.11 and make is needed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check format results gallery soak gpu clean

demo: .venv/.installed
	$(BIN)/graphkd train quickstart --out runs/quickstart --force

test: .venv/.installed-test
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: .venv/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --level warning

format: .venv/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# docs/results.md: every system beside the student alone; runs that are finished are used again
RESULTS := alone kd ofa nd tas gpd gpd_scratch tcs
results: .venv/.installed
	$(BIN)/graphkd compare $(RESULTS:%=results/%) --seeds 5 --out runs/results
	{ cat docs/results/about.md; sed 's/](comparison.svg)/](results\/comparison.svg)/' runs/results/comparison.md; } > docs/results.md
	cp runs/results/comparison.svg docs/results/comparison.svg

# docs/gallery.md: every shipped blueprint with its pictures and its lines
gallery: .venv/.installed
	$(BIN)/python docs/gallery/write.py

# docs/soak.md: runs that are killed a hundred times and resumed, beside undisturbed ones;
# docs/fuzz.md: a hundred thousand mutated blueprints; docs/overhead.md: what checkpoints cost
soak: .venv/.installed-test
	$(BIN)/python -m tests.soak.captured
	$(BIN)/python -m tests.soak.kill --kills 100 --out docs/soak.md
	$(BIN)/python -m tests.soak.fuzz --cases 100000 --jobs 2 --out docs/fuzz.md
	$(BIN)/python -m tests.soak.overhead --out docs/overhead.md

# what only a GPU shows: the tests marked gpu, memory and races, and how fast the kernels are
gpu: .venv/.installed-test
	@$(BIN)/python -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "make gpu needs a CUDA device; torch finds none")'
	$(BIN)/python -m pip install --quiet --editable '.[test,bench]'
	$(BIN)/python -m pytest -m gpu
	@if command -v compute-sanitizer > /dev/null; then \
	  for tool in memcheck racecheck; do \
	    PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool $$tool --error-exitcode 1 \
	      $(BIN)/python -m graphkd.bench.kernels_calls || exit 1; \
	  done; \
	else \
	  echo 'compute-sanitizer not found, so memory and races are not checked; the CUDA toolkit has it'; \
	fi
	$(BIN)/graphkd bench kernels --out docs/gpu --force

clean:
	rm -rf .venv build dist *.egg-info

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "graphkd needs Python 3.11 or newer; run: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/.installed-test: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ .venv/.installed

.venv/.installed-dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ .venv/.installed-test .venv/.installed
