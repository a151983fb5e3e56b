# What wheels are built in: Python and the locked toolchain. `invoke images` builds it and
# lays the toolchain's wheels, checked by hash, into requirements/.
ARG BASE

FROM ${BASE} AS base
RUN if ! python3 -c 'import ensurepip'; then \
      apt-get update && \
      apt-get install --yes --no-install-recommends python3 python3-venv && \
      rm -rf /var/lib/apt/lists/*; \
    fi

FROM base AS toolchain
LABEL tflite-wheelhouse=stage
ARG TARGET
COPY requirements /requirements
RUN python3 -m venv /opt/toolchain && \
    /opt/toolchain/bin/python -m pip install --no-index --find-links /requirements \
      --no-compile --require-hashes -r /requirements/builder.lock
# zig compiles its C++ library when it first links: once here, not in every container.
RUN mkdir -p /cache/zig && cd /tmp && echo 'int main() {}' > main.cc && \
    ZIG_GLOBAL_CACHE_DIR=/cache/zig ZIG_LOCAL_CACHE_DIR=/cache/zig \
      /opt/toolchain/bin/python -m ziglang c++ -target "${TARGET}" -O3 -g0 -fPIC main.cc

FROM base
COPY --from=toolchain /opt/toolchain /opt/toolchain
COPY --from=toolchain --chown=1000:1000 /cache /cache
RUN mkdir -p /project /home/builder && chown 1000:1000 /project /home/builder
ENV HOME=/home/builder LANG=C.UTF-8
USER 1000:1000
WORKDIR /project
