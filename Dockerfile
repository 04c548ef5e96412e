# The sidecar in a container: the program of scripts/package's tarball, on slim Debian with nothing but libcurl and CA certificates.
#   docker build -t clash-proxy --build-arg COMMIT="$(git rev-parse --short=12 HEAD)" .
# Configuration: a file mounted at /etc/clash-proxy/proxy.conf, CLASH_PROXY_… variables, or both (docs/running.md).

FROM swift:6.3.1-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcurl4-openssl-dev libsqlite3-dev zlib1g-dev pkg-config python3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Dependencies first: this layer is built again only when they change.
COPY Package.* ./
RUN swift package resolve
COPY Sources Sources
# Not built, but the package is not complete without the folders that it names.
COPY Tests Tests
COPY scripts scripts
COPY docs docs
COPY proxy.conf README.md CHANGELOG.md ./
# What --version names; git is not in here.
ARG COMMIT=""
RUN CLASH_PROXY_COMMIT="$COMMIT" scripts/package --out /out \
    && mkdir /image && tar -xzf /out/clash-proxy-*-linux-*[!g].tar.gz -C /image --strip-components=1

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcurl4 libsqlite3-0 zlib1g libstdc++6 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin clash-proxy \
    && install -d -o clash-proxy -g clash-proxy /var/lib/clash-proxy
COPY --from=build /image/bin/clash-proxy /usr/local/bin/clash-proxy
COPY --from=build /image/sbom.spdx.json /image/third-party-licences.txt /usr/share/doc/clash-proxy/
# By number, so that Kubernetes can see that it is not root.
USER 10001
# The audit log: keep it on a volume that outlives the container. Said here, because a relative path in a mounted
# proxy.conf, and the default beside one, would start at the folder of that file. Nothing else is written: --read-only will do.
ENV CLASH_PROXY_AUDIT_PATH=/var/lib/clash-proxy/audit
WORKDIR /var/lib/clash-proxy
VOLUME /var/lib/clash-proxy
# Tools; and health, for probes from outside when admin.address is not loopback.
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 CMD ["clash-proxy", "health"]
ENTRYPOINT ["clash-proxy"]
