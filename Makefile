# make demo    set up, show the RTOS, build SPUMONE and Linux, run all and measure, twice
# make test    set up, build the guests, run all tests but those marked long
# make setup   virtual environment, Debian packages, native core
# make sanitize  tests/cpu on a native core with the compiler's sanitizers
.PHONY: demo test test-long sanitize setup guests docs lint bench clean

VENV := .venv
PYTHON := $(VENV)/bin/python
COSIM := $(VENV)/bin/cosim

demo: setup
	@echo "== 1. The RTOS alone, three seconds of its time"
	$(COSIM) guests build rtos >/dev/null
	$(COSIM) run examples/rtos.toml --until 3s
	@echo "== 2. SPUMONE and Linux, from source (minutes the first time)"
	$(COSIM) guests build spumone >/dev/null
	$(COSIM) guests build linux >/dev/null
	@echo "== 3. RTOS and Linux side by side on SPUMONE: interrupt latency in three environments"
	$(COSIM) latency --samples 1000
	@echo "== 4. The same with a Linux that masks only its own levels: the worst case is bounded"
	$(COSIM) guests build linux-ceiling >/dev/null
	$(COSIM) latency --samples 1000 --env linux,stress --set linux.image=guest:linux-ceiling/vmlinux

test: setup guests
	$(PYTHON) -m pytest

test-long: setup guests
	$(PYTHON) -m pytest -m long

sanitize: setup guests
	$(PYTHON) tests/sanitize.py

setup: $(VENV)/.ready

$(VENV)/.ready: setup.cfg setup.py pyproject.toml guests/apt.txt $(wildcard cpu_node/native/*)
	sh guests/setup_host.sh
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "cosim: python3 is older than 3.11; Debian 12 has 3.11" >&2; exit 2; }
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

guests: setup
	$(COSIM) guests build all >/dev/null

docs: setup
	$(PYTHON) -m docs.generate

lint: setup
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

bench: setup guests
	$(PYTHON) -m bench.messages
	$(PYTHON) -m bench.boot
	$(PYTHON) -m bench.cpu
	$(PYTHON) -m bench.spumone
	$(PYTHON) -m bench.rtos
	$(PYTHON) -m bench.boot_latency --timing sh4a

clean:
	rm -rf $(VENV) build *.egg-info cpu_node/*.so
