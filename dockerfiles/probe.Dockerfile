# The smallest image of a processor: what tells whether an engine can run its programs.
FROM scratch
COPY true /bin/true
