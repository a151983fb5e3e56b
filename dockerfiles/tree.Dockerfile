# A system that was unpacked from Debian's archive without an image registry: the builder's base, or
# what pi.Dockerfile makes elsewhere.
FROM scratch
ADD tree.tar /
ENV PATH=/usr/local/bin:/usr/bin:/bin HOME=/home/pi LANG=C.UTF-8
ARG USER
USER ${USER}
WORKDIR /home/pi
