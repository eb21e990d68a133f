# One image for every part of Flow: the static program, and the Python that
# hosts processors. Build it from the root of the repository.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/elasticcode/flow/cmd/flow/factory.version=${VERSION}" -o /flow ./cmd/flow

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv python3-pip ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 flow \
 && install -d -o flow -g flow /data /data/config /data/flow
COPY --from=build /flow /usr/local/bin/flow
USER flow
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/data/config
ENTRYPOINT ["flow"]
CMD ["--help"]
