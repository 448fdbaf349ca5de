# syntax=docker/dockerfile:1
# The operator's image: one static binary and root certificates. `make image` makes the same content without Docker.
#
#   docker build -t docker.io/clastix/kamaji:dev .
#
# arm64: build it on an arm64 machine, as the release workflow does; that has not been built in this project's tests.

FROM docker.io/library/rust:1.95-bookworm AS build
# etcd-client generates code from protobuf files while it is built; jemalloc, ring and zstd have parts in C.
RUN apt-get update \
    && apt-get install -y --no-install-recommends protobuf-compiler musl-tools make ca-certificates \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    make static \
    && cp "target/image/$(uname -m)-unknown-linux-musl/image/kamaji" /kamaji \
    && mkdir -m 1777 /empty

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /empty /tmp
COPY --from=build /kamaji /kamaji
USER 65532:65532
ENTRYPOINT ["/kamaji"]
