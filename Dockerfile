# syntax=docker/dockerfile:1

# The executable and nothing else: `docker build --build-arg COMMIT=$(git rev-parse HEAD) -t state-tables .`
# It needs no writable file system (`docker run --read-only`). Mount the routing file at
# /app/repo/.routing.yaml and pass DSN and the other settings as environment variables.

FROM denoland/deno:debian-2.9.6 AS compile
ARG COMMIT=unknown
WORKDIR /source
COPY deno.json deno.lock main.ts ./
COPY lib lib
COPY dev dev
RUN deno task compile --commit "$COMMIT" --output /state-tables

# C library, CA certificates and an unprivileged user; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=compile /state-tables /usr/local/bin/state-tables
ENV ROUTING_FILE=/app/repo/.routing.yaml
WORKDIR /app/repo
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/state-tables"]
