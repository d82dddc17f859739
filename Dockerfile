# syntax=docker/dockerfile:1
# One static binary in an image that holds nothing else:
#
#   docker build -t livepipe .
#   docker run -p 127.0.0.1:8080:8080 -v livepipe-data:/var/lib/livepipe livepipe
#
# runs everything in one container, for callers with a token:
#
#   docker exec CONTAINER /livepipe account add --org org123 --livechat lc-789
#
# The root file system may be read-only (docker run --read-only --tmpfs /tmp). docker-compose.yml runs the same image on
# SNS, SQS, PostgreSQL and S3.

FROM --platform=$BUILDPLATFORM golang:1.26.8-alpine AS build
ARG TARGETOS TARGETARCH VERSION=dev
WORKDIR /src
RUN --mount=type=bind,target=. \
    --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/livepipe ./cmd/livepipe \
 && install -d -m 700 /out/own/tmp /out/own/var/lib/livepipe /out/own/var/lib/livepipe-key

# No base image that could change under its tag: the binary is static.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/livepipe /livepipe
# A new volume takes owner and mode from here. Only what lies inside of a copied directory keeps its mode.
COPY --from=build --chown=65532:65532 /out/own /
ENV LIVEPIPE_DATA=/var/lib/livepipe \
    LIVEPIPE_ADDR=0.0.0.0:8080 \
    LIVEPIPE_ADMIN_ADDR=127.0.0.1:8081
VOLUME /var/lib/livepipe
EXPOSE 8080
# Nobody, as a number: Kubernetes' runAsNonRoot believes no names.
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=10s --retries=3 --start-period=60s --start-interval=1s CMD ["/livepipe", "healthy"]
ENTRYPOINT ["/livepipe"]
