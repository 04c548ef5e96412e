# The sidecar in a container: built with a pinned Swift, run on slim Debian with nothing but libcurl and CA certificates.
#   docker build -t clash-proxy .
# Configuration: a file mounted at /etc/clash-proxy/proxy.conf, CLASH_PROXY_… variables, or both (docs/running.md).

FROM swift:6.3.1-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcurl4-openssl-dev zlib1g-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Dependencies first: this layer is built again only when they change.
COPY Package.* ./
RUN swift package resolve
COPY Sources Sources
# Not built, but the package is not complete without the folders that it names.
COPY Tests Tests
# The flags that docs/benchmarks.md measures: the Swift libraries inside, no run-time exclusivity checks (the tests keep them).
RUN swift build -c release --product clash-proxy --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked \
    && install -D "$(swift build -c release --show-bin-path)/clash-proxy" /out/clash-proxy \
    && strip --strip-debug /out/clash-proxy

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcurl4 zlib1g libstdc++6 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin clash-proxy \
    && install -d -o clash-proxy -g clash-proxy /var/lib/clash-proxy
COPY --from=build /out/clash-proxy /usr/local/bin/clash-proxy
# By number, so that Kubernetes can see that it is not root.
USER 10001
# The audit log: keep it on a volume that outlives the container. Said here, because a relative path in a mounted
# proxy.conf, and the default beside one, would start at the folder of that file.
ENV CLASH_PROXY_AUDIT_PATH=/var/lib/clash-proxy/audit
WORKDIR /var/lib/clash-proxy
VOLUME /var/lib/clash-proxy
# Tools; and health, for probes from outside when admin.address is not loopback.
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 CMD ["clash-proxy", "health"]
ENTRYPOINT ["clash-proxy"]
