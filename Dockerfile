# The managed plugin, for people who build with Docker; `make plugin` makes the same tree without it.
#
#   docker build -o build .                      # BuildKit: leaves build/plugin/
#   docker build -t dmthin-plugin . &&           # the classic builder has no -o
#     docker cp "$(docker create dmthin-plugin -)":/plugin build/
#
# Then: docker plugin create dmthin build/plugin
#
# Both images must be of one Debian release: the binary runs with the libraries of BASE.
ARG BASE=debian:12
ARG GO_IMAGE=golang:1.26-bookworm

FROM ${GO_IMAGE} AS build
RUN apt-get update && \
    apt-get install -y --no-install-recommends gcc libc6-dev libdevmapper-dev make pkg-config
WORKDIR /src
ARG GOPROXY
ARG GOSUMDB
# Modules before sources: an edit of the sources downloads nothing again.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The build context has no .git to take them from.
ARG VERSION=
ARG COMMIT=
RUN make build COMMIT="${COMMIT}" ${VERSION:+VERSION="${VERSION}"}

FROM ${BASE} AS plugin
RUN apt-get update && \
    apt-get install -y --no-install-recommends e2fsprogs libdevmapper1.02.1 lvm2 thin-provisioning-tools xfsprogs
WORKDIR /src
COPY config.json ./
COPY scripts/plugin-rootfs scripts/
COPY --from=build /src/build/dmthind /src/build/dmthin build/
RUN scripts/plugin-rootfs /plugin

FROM scratch
COPY --from=plugin /plugin /plugin
