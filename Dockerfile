# syntax=docker/dockerfile:1
# docker build -t parley .                              CPU
# docker build -t parley:gpu --build-arg RUNTIME=gpu .  with the CUDA build of ONNX Runtime, for machines with an NVIDIA GPU
# docker run -p 8800:8800 -p 8801:8801/udp -p 8801:8801 -v parley:/data parley

FROM node:22-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM rust:1-bookworm AS wheel
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/build
WORKDIR /src
COPY requirements-build.lock ./
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY appliance/ appliance/
COPY models/ models/
COPY --from=web /src/web/dist/ web/dist/
RUN /opt/build/bin/maturin build --release --locked --out /wheel
COPY plugins/ plugins/
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel/plugins \
    ./plugins/parley-email ./plugins/parley-webhook

FROM debian:bookworm-slim
ARG RUNTIME=cpu
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin parley \
    && install -d -o parley -g parley -m 0700 /data
# Files at an S3 service, and the plugins email and webhook: there, and off until plugins.enabled names them.
COPY requirements.lock requirements-extras.lock /tmp/
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    python3 -m venv /opt/parley \
    && /opt/parley/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.lock \
    && /opt/parley/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements-extras.lock \
    && if [ "$RUNTIME" = gpu ]; then /opt/parley/bin/pip uninstall --yes onnxruntime; fi \
    && /opt/parley/bin/pip install --no-cache-dir "$(echo /wheel/*.whl)[$RUNTIME,s3]" \
    && /opt/parley/bin/pip install --no-cache-dir --no-deps --no-index /wheel/plugins/*.whl
COPY config/appliance.toml /etc/parley/appliance.toml

USER parley
WORKDIR /data
VOLUME /data
ENV PATH=/opt/parley/bin:$PATH PARLEY_DATA__FOLDER=/data PARLEY_HTTP__HOST=0.0.0.0
EXPOSE 8800/tcp 8801/udp 8801/tcp
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python3", "-c", "\
import contextlib, ssl, sys, urllib.request\n\
for scheme in ('https', 'http'):\n\
    with contextlib.suppress(OSError):\n\
        context = ssl._create_unverified_context() if scheme == 'https' else None\n\
        urllib.request.urlopen(f'{scheme}://127.0.0.1:8800/health', timeout=2, context=context)\n\
        sys.exit(0)\n\
sys.exit(1)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["parley"]
CMD ["serve"]
