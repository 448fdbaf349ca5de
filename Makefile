# Calls, no logic: each line can be typed by hand. `make help` lists the targets.

PACKAGES := protobuf-compiler libprotobuf-dev busybox-static iptables nftables conntrack ipset runc \
	containernetworking-plugins iproute2 curl procps jq python3 postgresql mariadb-server prometheus lua5.1 minisign age
# One selection of packages for whatever tests: another one has other features, and is built again.
TESTS := cargo test --workspace
BUILT := $(abspath $(or $(CARGO_TARGET_DIR),target))/debug
# The binary of the image, linked to musl, apart from all other builds.
MUSL := $(shell uname -m)-unknown-linux-musl
STATIC := target/image/$(MUSL)/image/kamaji
# Most bytes of that binary.
STATIC_LIMIT := 30000000
CARGO_HOME ?= $(HOME)/.cargo
SCENARIOS := $(TESTS) --test scenarios -- --test-threads=1

.DEFAULT_GOAL := help

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 12

deps: ## Install what building and the testbed need (Debian and Ubuntu, root).
	@test "$$(uname -s)" = Linux || { echo 'the testbed needs Linux; use a Linux machine or a VM'; exit 1; }
	@test "$$(id -u)" = 0 || { echo 'installing packages and the testbed need root: sudo -E make deps'; exit 1; }
	@command -v apt-get >/dev/null || { echo 'no apt-get here; install by hand: $(PACKAGES)'; exit 1; }
	@command -v cargo >/dev/null || { echo 'no cargo here; install Rust from https://rustup.rs'; exit 1; }
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || \
		{ apt-get update -q && apt-get install -qy --no-install-recommends $(PACKAGES) && \
		{ systemctl disable -q --now mariadb prometheus 2>/dev/null || true; }; } # tests start servers of their own

build: ## Build the kamaji binary.
	cargo build --release --bin kamaji

tools: ## Find or build the Kubernetes binaries of the testbed.
	cargo run -q -p kamaji-e2e --bin testbed -- tools

databases: ## Fetch a PostgreSQL and a MariaDB newer than Debian's (npm, Maven), and print how tests choose them.
	cargo run -q -p kamaji-e2e --bin testbed -- databases

up: deps tools ## A management cluster with the operator, tenant demo and a worker; CAPI=1: with Cluster API.
	cargo run -q -p kamaji-e2e --bin testbed -- up $(if $(CAPI),--cluster-api)

down: ## Remove everything that `make up` made.
	cargo run -q -p kamaji-e2e --bin testbed -- down

# The binary that tests deploy, built with them.
test scenarios soak compat: export KAMAJI_BIN = $(abspath $(or $(OPERATOR),$(BUILT)/kamaji))

test: deps built ## Every test, the scenarios of the testbed included.
	$(TESTS)

scenarios: built ## Only the scenarios of the testbed; WORDS=dns: those with the word in their name; OPERATOR=FILE: another binary.
	$(SCENARIOS) $(WORDS)

built: ## Build every test, and the binaries that tests use.
	$(TESTS) --no-run
	$(BUILT)/testbed tools

check: ## Format, lints, docs, circles of imports and the dependency policy.
	cargo fmt --all --check
	.ci/docs.py
	.ci/imports.py
	.ci/pages.py
	cargo clippy --workspace --all-targets -- -D warnings
	@if cargo tree -q -p kamaji-core -e normal -i tokio >/dev/null 2>&1; \
	then echo 'kamaji-core depends on tokio, and it must stay pure'; exit 1; fi
	@command -v cargo-deny >/dev/null || cargo install --quiet --locked cargo-deny@0.20.2
	cargo deny check bans licenses sources
	@if cargo deny fetch db >/dev/null 2>&1; then cargo deny check advisories; \
	else echo 'the advisory database cannot be reached from here, so advisories were not checked'; fi

crds: ## Write the CustomResourceDefinitions to config/crd, and their reference to docs/reference.
	cargo run -q -p kamaji-api --example crds -- config/crd
	cargo run -q -p kamaji-api --example reference -- docs/reference

notes: ## Write docs/releases/next.md of the fragments in changes/.
	.ci/notes.py write

book: ## Build the pages of docs/ as a book with search into target/book.
	@mdbook --version 2>/dev/null | grep -q 'v0.5.4$$' || cargo install --quiet --locked mdbook@0.5.4
	@mdbook-mermaid --version 2>/dev/null | grep -q '0.17.1$$' || cargo install --quiet --locked mdbook-mermaid@0.17.1
	.ci/book.py stage target/book-pages
	mdbook-mermaid install target/book-pages >/dev/null
	mdbook build target/book-pages --dest-dir target/book
	.ci/book.py check target/book
	@echo 'the book is target/book/index.html'

soak: built ## What runs for long: five minutes at rest, 30 stopped leaders, the upgrade from an older build, databases without TLS, 200 cycles of tenants, kubeconfigs for 5,000 tenants, 96 migrations, databases newer than Debian's, restore of the chart's etcd, OpenTofu, Velero.
	KAMAJI_SOAK=1 $(TESTS) --test etcd --test mysql --test nats --test postgres come_and_go -- --nocapture
	KAMAJI_SOAK=1 $(TESTS) --test tenants
	KAMAJI_SOAK=1 $(TESTS) --test migrations soak -- --nocapture --test-threads=1
	newer=$$($(BUILT)/testbed databases) && \
		env $$newer $(TESTS) --test conformance --test postgres --test mysql --test migrations && \
		env $$newer KAMAJI_SOAK=1 $(TESTS) --test mysql --test postgres come_and_go -- --nocapture
	@test -x /usr/sbin/sshd || { apt-get install -qy --no-install-recommends openssh-server && \
		{ systemctl disable -q --now ssh 2>/dev/null || true; }; } # a machine of the testbed runs one of its own
	KAMAJI_SOAK=1 $(SCENARIOS) quiet 'keeps its data in' 'one helm install' OpenTofu Velero

conformance: deps ## Run Kubernetes' own conformance specs against a tenant with two workers, and write the result to its page; FOCUS=ConfigMap: only matching ones.
	@dpkg -s bind9-dnsutils netcat-openbsd >/dev/null 2>&1 || apt-get install -qy --no-install-recommends bind9-dnsutils netcat-openbsd
	cargo run -q -p kamaji-e2e --bin testbed -- conformance $(if $(FOCUS),--focus '$(FOCUS)')

static: ## Build the static binary of the image: no C library, the same for the same commit and compiler.
	@command -v musl-gcc >/dev/null || { test "$$(id -u)" = 0 && apt-get install -qy --no-install-recommends musl-tools; } || \
		{ echo 'musl-gcc is missing, which compiles what is C: install musl-tools'; exit 1; }
	rustup target add $(MUSL)
	CC_$(subst -,_,$(MUSL))=musl-gcc CFLAGS_$(subst -,_,$(MUSL))='-ffile-prefix-map=$(CARGO_HOME)=/cargo -ffile-prefix-map=$(CURDIR)=/src' \
		RUSTFLAGS='--remap-path-prefix=$(CURDIR)=/src --remap-path-prefix=$(CARGO_HOME)=/cargo -Ctarget-feature=+crt-static -Clink-arg=-Wl,-z,pack-relative-relocs' \
		CARGO_TARGET_DIR=target/image CARGO_INCREMENTAL=0 cargo build --locked --profile image --target $(MUSL) --bin kamaji
	@size=$$(stat -c %s $(STATIC)); test $$size -le $(STATIC_LIMIT) || \
		{ echo "$(STATIC) has $$size bytes, and an image has room for $(STATIC_LIMIT): see the profile image in Cargo.toml"; exit 1; }

image: static ## The operator's image as an OCI archive, out/kamaji-image.tar, without Docker.
	mkdir -p out
	cargo run -q -p kamaji-e2e --bin testbed -- image $(STATIC) docker.io/clastix/kamaji:dev out/kamaji-image.tar
	@echo 'out/kamaji-image.tar; make scenarios OPERATOR=$(STATIC) runs the same binary'

sbom: ## List what the binary is made of, as CycloneDX, in target/kamaji.cdx.json.
	@cargo sbom --version 2>/dev/null | grep -q '0.10.0$$' || cargo install --quiet --locked cargo-sbom@0.10.0
	cargo sbom --cargo-package kamaji --output-format cyclone_dx_json_1_6 > target/kamaji.cdx.json

release: ## Everything of a release, into out/: make release VERSION=v0.21.0, signed with MINISIGN_KEY=FILE
	@case '$(VERSION)' in v*.*.*) ;; *) echo 'VERSION=v0.21.0 or the like is missing'; exit 1;; esac
	@set -- $$(echo '$(VERSION)' | sed 's/^v//; s/[.]/ /g'); \
	grep -q "major: $$1, minor: $$2, contract" clusterctl-metadata.yaml || { \
	echo "clusterctl-metadata.yaml has no series $$1.$$2, and clusterctl refuses $(VERSION) without it: add it there"; exit 1; }
	$(MAKE) tools static sbom
	SBOM=target/kamaji.cdx.json .ci/release '$(VERSION)'

bench: deps tools ## Measure the budgets, with an optimised build; other numbers: KAMAJI_BENCH_N=20,100 KAMAJI_BENCH_CLUSTERS=10.
	KAMAJI_E2E_PROFILE=release cargo run -q -p kamaji-e2e --bin bench -- --testbed --clusters
	cargo run -q -p kamaji-e2e --bin testbed -- tools --etcdctl
	cargo bench -q --workspace --bench copies

compat: built ## Compare what we make with what upstream made.
	$(BUILT)/compat $(WORDS)

.PHONY: help deps build tools databases up down test scenarios conformance check built crds notes book soak static image sbom release bench compat
