# syntax=docker/dockerfile:1
# The operator's image: one binary, run by nobody in particular.
#
#   docker build -t docker.io/clastix/kamaji:dev .

FROM docker.io/library/rust:1.95-bookworm AS build
# etcd-client generates code from protobuf files while it is built.
RUN apt-get update \
    && apt-get install -y --no-install-recommends protobuf-compiler \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin kamaji \
    && cp target/release/kamaji /kamaji

# The C library, root certificates and nothing else.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /kamaji /kamaji
USER 65532:65532
ENTRYPOINT ["/kamaji"]
