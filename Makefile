# One environment, .venv, made once by .ci/environment; see CONTRIBUTING.md. PYTHON=... chooses the interpreter.
SHELL := /bin/sh
VENV := .venv
PY := "$(VENV)/bin/python"
export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# What continuous integration runs besides the tests: .github/workflows call these targets and nothing else.
CI_STORE := runs/ci
SITE := build/site
AUDIT_SAMPLE := 1
AUDIT_SEED := 0
BASE := HEAD
# Processes that run tests, each in one thread: more would wait for one another. A file's tests stay together, since they
# share what is made for them.
WORKERS := 2
REV := HEAD
BENCHMARKS := $(patsubst %,tests/benchmarks/test_%.py,inner_loops steps assembling augmentation evaluation memory scaling launch \
	whole_matrix cuda)

.DEFAULT_GOAL := help
.PHONY: help environment quickstart test test-full lint docs connectors clean bench bench-compare tables
.PHONY: ci-leaderboard ci-matrix ci-check ci-audit ci-submission ci-compare ci-lowest site

help:
	@echo "make quickstart   install, train the quick matrix and print its leaderboard"
	@echo "make test         what every change must pass (ruff, mypy, pytest)"
	@echo "make test-full    the long acceptance runs as well"
	@echo "make bench        measure against other libraries into results/BENCHMARKS.md (on a quiet machine, minutes)"
	@echo "make bench-compare REV=main  the ratios of results/benchmarks.json against those of a git revision"
	@echo "make tables       every committed table of results/ from its records"
	@echo "make site         their plots and pages, into build/site"
	@echo "make lint         ruff and mypy alone"
	@echo "make docs         the documentation site, into build/docs; warnings are errors"
	@echo "make connectors   install the distributions plugins/benchbench-* into .venv"
	@echo "make ci-leaderboard  what continuous integration does with results: ci-matrix (train the ci matrix),"
	@echo "                  ci-check (tables against records), ci-audit (train some again), site (build/site)"
	@echo "make ci-compare   results/ against those of git revision BASE"
	@echo "make ci-submission  train again every record that results/ has and git revision BASE has not"
	@echo "make ci-lowest    try the lowest versions of what benchbench needs, in build/lowest"
	@echo "make clean        remove the environment and caches; runs/ stays"

environment:
	@sh .ci/environment "$(VENV)"

# Without the 1.2 GB more that tests need.
quickstart:
	@sh .ci/environment "$(VENV)" run
	@$(PY) -m benchbench run --matrix quick

lint: environment
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

test: lint
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "not full" -rs -n $(WORKERS) --dist loadfile

test-full: lint
	$(PY) -m pytest -rs

docs: environment
	$(PY) -m pip install -q -c constraints.txt --no-build-isolation -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

# Their records are audited too, so they must be there as a user installs them.
connectors: environment
	$(PY) -m pip install -q --no-deps --no-build-isolation $(addprefix -e ,$(wildcard plugins/benchbench-*))

ci-leaderboard: ci-matrix ci-check ci-audit site

# Threads and allocator as the launcher sets them, for ours and for peers alike: both run in one process.
bench: environment
	@$(PY) -m pip install -q -c constraints.txt --no-build-isolation -e '.[benchmarks,test]'
	@mkdir -p build
	OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=134217728 MALLOC_TRIM_THRESHOLD_=4294967296 \
		$(PY) -m pytest $(BENCHMARKS) -m full -q --benchmark-json=build/benchmarks.json
	$(PY) -m tests.benchmarks.report build/benchmarks.json results

tables: environment
	for folder in results/*/; do $(PY) -m benchbench leaderboard "$$folder" --output "$$folder" --tables || exit 1; done
	$(PY) -m benchbench reproduce results/*/ --output results/REPRODUCTION.md

bench-compare: environment
	$(PY) -m tests.benchmarks.regressions $(REV)

# What is trained once must be found again: the second run is from the store alone.
ci-matrix: environment
	$(PY) -m benchbench run --matrix ci --results $(CI_STORE) --quiet
	$(PY) -c "import benchbench, sys; sys.exit(benchbench.run('ci', '$(CI_STORE)').trained)"

ci-check: environment
	$(PY) -m benchbench leaderboard --check results/*/
	@mkdir -p build
	$(PY) -m benchbench reproduce results/*/ --output build/REPRODUCTION.md > build/reproduction.txt
	diff build/REPRODUCTION.md results/REPRODUCTION.md

# Processors differ in the last digit of a sum, so means may differ here; on one machine audits are exact.
ci-audit: connectors
	$(PY) -m benchbench results audit results/*/ --sample $(AUDIT_SAMPLE) --seed $(AUDIT_SEED) --tolerance 2

# All that a request adds or changes, not a sample. Nothing was added: it passes and says so.
ci-submission: connectors
	$(PY) -m benchbench results audit results/*/ --since $(BASE) --tolerance 2

# It makes an environment of its own.
ci-lowest:
	sh .ci/lowest build/lowest

site: environment
	sh .ci/site $(PY) $(SITE)

ci-compare: environment
	sh .ci/compare $(PY) $(BASE)

clean:
	rm -rf "$(VENV)" build dist .mypy_cache .ruff_cache .hypothesis .benchmarks
	find benchbench plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +
