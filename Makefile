# The words to know: demo, test, lint, bench. Each sets up what it needs; `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
# Debian packages that the tests need beside Python.
PACKAGES := dovecot-imapd dovecot-lmtpd logrotate systemd
# A browser with its driver, and what gets axe-core: where others are at hand, as on GitHub's machines, those will do.
PACKAGES += $(shell command -v chromedriver > /dev/null || echo chromium chromium-driver)
PACKAGES += $(shell command -v npm > /dev/null || echo npm)
# Twice as many as a small machine has cores: most of the time of a system test is spent waiting.
WORKERS ?= 4

.PHONY: help demo test lint docs format bench soak mutants fuzz picture screenshots pages lock servers tools clean
help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(BIN)/.program  ## the whole thing on embedded servers, in front of your eyes (DEMO="--keep" leaves it running)
	$(BIN)/token-catcher demo $(DEMO)

test: $(BIN)/.dev $(BIN)/.program servers tools  ## every test, with real servers, and the branch coverage
	$(BIN)/coverage erase
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup --cov --cov-report= $(TESTS)
	$(BIN)/coverage report --fail-under=$(if $(TESTS),0,94)

lint: $(BIN)/.dev  ## types and style, and the workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/zizmor --offline --pedantic --quiet --no-progress .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml

docs: .venv-docs/bin/.docs  ## the documentation as a site, in build/site; a broken link or anchor is an error
	.venv-docs/bin/python docs/staging.py build/docs
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict
	@! grep -rlE '<(script|link|img)[^>]* (src|href)="?(https?:)?//' build/site --include='*.html' || \
	  { echo 'these pages load something from elsewhere'; exit 1; }

format: $(BIN)/.dev  ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BIN)/.dev $(BIN)/.program .venv-peers/bin/.peers servers  ## all figures in one table, beside bare loops and peers, and in build/bench.json (BENCH="latency start": some of them)
	$(BIN)/python -m tests.bench $(BENCH)

soak: $(BIN)/.dev $(BIN)/.program servers  ## deep runs: rounds of kill -9, pairs of mails, a hostile mailbox beside a healthy one, twenty times the examples of hypothesis
	TEST_SCALE=20 $(BIN)/pytest -n $(WORKERS) --timeout 0 -m 'hypothesis or kill'
	$(BIN)/python -m tests.soak

mutants: $(BIN)/.dev  ## plant mistakes in a copy, one at a time: each must turn the tests red that are meant to notice it
	$(BIN)/python -m tests.mutation $(MUTANTS)

fuzz: .venv-fuzz/bin/.fuzz  ## coverage-guided fuzzing of the modules that read mail, SECONDS=1200 each
	for target in wire extract results trust; do .venv-fuzz/bin/python -m tests.fuzz.run $$target $(SECONDS) || exit 1; done
SECONDS := 1200

screenshots: $(BIN)/.dev $(BIN)/.program servers  ## docs/page-*.png: the page over real rotations, in light, dark and narrow
	$(BIN)/python -m tests.screenshots docs

picture: $(BIN)/.program  ## docs/demo.svg, from a real run of the demo
	$(BIN)/python docs/picture.py docs/demo.svg

pages: $(BIN)/.program  ## docs/errors.md, configuration.md, commands.md, the manual page and the texts of --help, from the tables of the program
	PYTHONPATH=. $(BIN)/python docs/errors.py > docs/errors.md.new && mv docs/errors.md.new docs/errors.md
	PYTHONPATH=. $(BIN)/python docs/configuration.py > docs/configuration.md.new && mv docs/configuration.md.new docs/configuration.md
	PYTHONPATH=. $(BIN)/python docs/commands.py > docs/commands.md.new && mv docs/commands.md.new docs/commands.md
	PYTHONPATH=. $(BIN)/python docs/help.py > docs/help.new && mv docs/help.new token_catcher/help_pages.py
	PYTHONPATH=. $(BIN)/python docs/manpage.py > docs/token-catcher.1.new && mv docs/token-catcher.1.new docs/token-catcher.1

lock:  ## renew the lock files: names, versions and hashes, each whole
	$(PYTHON) -m venv .venv/lock && .venv/lock/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/lock.txt
	$(COMPILE) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra google --extra microsoft --extra notify -c requirements/dev.txt -o requirements/production.txt
	$(COMPILE) pyproject.toml --extra demo -c requirements/dev.txt -o requirements/demo.txt
	$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) --group release -c requirements/dev.txt -o requirements/release.txt
	$(COMPILE) --group docs -c requirements/dev.txt -o requirements/docs.txt
	$(COMPILE) --group peers -c requirements/dev.txt -o requirements/peers.txt
	$(COMPILE) --group lock -o requirements/lock.txt
	echo 'atheris==3.0.0' | $(COMPILE) - -o requirements/fuzz.txt
COMPILE := .venv/lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-config --quiet

# Nothing is resolved here: the lock files are whole, so what comes out tomorrow cannot stop, or change, an installation.
# build.txt has the build backends of this package and of those that come as source.
INSTALL = $(@D)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation
CHECK = $(@D)/pip check --disable-pip-version-check > $(@D)/.check || { cat $(@D)/.check; exit 1; }

$(BIN)/.demo: requirements/build.txt requirements/demo.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'token-catcher needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …'; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(INSTALL) --require-hashes -r requirements/build.txt
	$(INSTALL) --require-hashes -r requirements/demo.txt
	@$(CHECK)
	@touch $@

# The program is installed as users get it, from the built wheel: the demo and the system tests run no other.
$(BIN)/.program: $(BIN)/.demo $(shell find token_catcher -name '*.py' -o -name py.typed) config.example.yaml $(wildcard deploy/vault/*) docs/token-catcher.1 README.md LICENSE
	rm -rf dist
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	$(INSTALL) --no-index --force-reinstall dist/*.whl
	@$(CHECK)
	@touch $@

$(BIN)/.dev: $(BIN)/.demo requirements/dev.txt
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(CHECK)
	@touch $@

.venv-fuzz/bin/.fuzz: $(BIN)/.dev requirements/fuzz.txt
	$(PYTHON) -m venv --clear .venv-fuzz
	$(INSTALL) --require-hashes -r requirements/build.txt
	$(INSTALL) --require-hashes -r requirements/dev.txt -r requirements/fuzz.txt
	@touch $@

# Apart from all else: nothing of ours runs with what is measured beside us.
.venv-peers/bin/.peers: requirements/build.txt requirements/peers.txt
	$(PYTHON) -m venv --clear .venv-peers
	$(INSTALL) --require-hashes -r requirements/build.txt
	$(INSTALL) --require-hashes -r requirements/peers.txt
	@$(CHECK)
	@touch $@

# Apart from what the tests run with: a site generator is no part of the program.
.venv-docs/bin/.docs: requirements/build.txt requirements/docs.txt
	$(PYTHON) -m venv --clear .venv-docs
	$(INSTALL) --require-hashes -r requirements/build.txt
	$(INSTALL) --require-hashes -r requirements/docs.txt
	@$(CHECK)
	@touch $@

servers:
	@missing=$$(dpkg-query -W -f '$${db:Status-Abbrev} $${Package}\n' $(PACKAGES) 2>/dev/null | awk '$$1 == "ii" {print $$2}'); \
	missing=$$(for one in $(PACKAGES); do echo "$$missing" | grep -qx "$$one" || echo "$$one"; done); \
	[ -z "$$missing" ] && exit 0; \
	line="apt-get update && apt-get install --yes --no-install-recommends $$(echo $$missing)"; \
	if [ "$$(id -u)" = 0 ]; then \
	  export DEBIAN_FRONTEND=noninteractive; sh -ec "$$line" > /dev/null; \
	else \
	  echo "The tests need: $$(echo $$missing). Type: sudo sh -c '$$line'"; exit 1; \
	fi

TOOLS := $(BIN)/promtool $(BIN)/shellcheck
tools: $(TOOLS) $(BIN)/axe.min.js
# Out of Debian's packages and not installed: prometheus would start a server.
$(BIN)/promtool: DEB := prometheus
$(BIN)/shellcheck: DEB := shellcheck
$(TOOLS): | $(BIN)/.dev
	@cd .venv && (apt-get download -q $(DEB) || (apt-get update -q && apt-get download -q $(DEB))) > /dev/null 2>&1 || \
	  { echo "$(@F) is missing: put it from Debian's package $(DEB) into $(BIN)"; exit 1; }
	@dpkg-deb --fsys-tarfile .venv/$(DEB)_*.deb | tar -xO ./usr/bin/$(@F) > $@.new && chmod +x $@.new && mv $@.new $@ && rm .venv/$(DEB)_*.deb

# The rules of accessibility that the pages are held to. Its version and its hash are in that file; it is no part of the program.
$(BIN)/axe.min.js: tests/kit/axe-core.sha256 | $(BIN)/.dev servers
	@cd .venv && npm pack --silent "$$(sed -E 's/.* (axe-core)-(.*)[.]tgz/\1@\2/' ../$<)" > /dev/null || \
	  { echo "$(@F) is missing: npm could not get axe-core"; exit 1; }
	@cd .venv && sha256sum --quiet --check ../$< && tar -xzOf axe-core-*.tgz package/axe.min.js > bin/$(@F).new && \
	  mv bin/$(@F).new bin/$(@F) && rm axe-core-*.tgz

clean:  ## remove what the targets made
	rm -rf .venv .venv-docs .venv-fuzz .venv-peers .coverage* .mypy_cache .ruff_cache .hypothesis dist build
