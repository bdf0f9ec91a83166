# The program on a base without a shell: outpost as the entry point and on PATH, run as user 65532.
#
#   docker build -t outpost .
#   docker run --rm --env-file .env outpost migrate plan
#
# Both bases are build arguments, so that a mirror can be used. Here they are pinned to the index of all architectures that the tag
# named, which .github/renovate.json keeps fresh:
#
#   docker build --build-arg DENO_IMAGE=MIRROR/denoland/deno:2.4.2 --build-arg BASE_IMAGE=MIRROR/... .
#
# `outpost serve` runs a server named outpost-server that stands beside it; an image with both is two lines:
#
#   FROM outpost
#   COPY outpost-server /usr/local/bin/
ARG DENO_IMAGE=denoland/deno:2.4.2@sha256:467d41805c2f531a48f84dfcd1b4f9244b8ebdbd505f752011d6d1b7daacc489
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f

FROM ${DENO_IMAGE} AS build
WORKDIR /build
COPY . .
# --no-config: the build itself needs none of the project's packages, and so downloads only those of the program.
RUN ["deno", "run", "--no-config", "--no-lock", "--allow-read", "--allow-write", "--allow-env", "--allow-run", \
  "scripts/compile.ts", "--output", "/build/outpost"]

FROM ${BASE_IMAGE}
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="outpost" \
  org.opencontainers.image.description="One migration system for the SQL and the Redis data of Outpost" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
COPY --from=build /build/LICENSE /usr/share/doc/outpost/LICENSE
COPY --from=build /build/outpost /usr/local/bin/outpost
# By number, so that a cluster that demands a user other than root can see that it is one.
USER 65532:65532
ENTRYPOINT ["outpost"]
# Reads only: healthy as long as both stores answer.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["outpost", "migrate", "status", "--quiet"]
CMD ["--help"]
