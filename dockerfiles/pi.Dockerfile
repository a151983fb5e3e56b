# The userland of a Raspberry Pi OS release, for wheels to be tried in.
ARG BASE
FROM ${BASE}
ARG PACKAGES
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ${PACKAGES} && \
    rm -rf /var/lib/apt/lists/* && \
    mkdir -p /home/pi && chown 1000:1000 /home/pi
ENV HOME=/home/pi LANG=C.UTF-8
USER 1000:1000
WORKDIR /home/pi
