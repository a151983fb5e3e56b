# What wheels are built in: Python and the locked toolchain. `invoke images` builds it and
# lays the toolchain's wheels, checked by hash, into requirements/.
ARG BASE

FROM ${BASE} AS base
RUN if ! python3 -c 'import ensurepip'; then \
      apt-get update && \
      apt-get install --yes --no-install-recommends libstdc++6 python3 python3-venv && \
      rm -rf /var/lib/apt/lists/*; \
    fi

FROM base AS toolchain
LABEL tflite-wheelhouse=stage
COPY requirements /requirements
RUN python3 -m venv /opt/toolchain && \
    /opt/toolchain/bin/python -m pip install --no-index --find-links /requirements \
      --require-hashes -r /requirements/builder.lock

FROM base
COPY --from=toolchain /opt/toolchain /opt/toolchain
RUN mkdir -p /cache /project /home/builder && chown 1000:1000 /cache /project /home/builder
ENV HOME=/home/builder LANG=C.UTF-8
USER 1000:1000
WORKDIR /project
