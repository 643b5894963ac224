# The page and the service in a container: docker compose up. See docs/serve.md.
FROM python:3.13-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY models/emotion models/emotion
COPY models/emotion-fer2013 models/emotion-fer2013
COPY models/face models/face
COPY models/gender models/gender
COPY emotion_cam emotion_cam
RUN python -m venv /opt/emotion-cam \
    && /opt/emotion-cam/bin/pip install --no-cache-dir ".[serve,report]"

FROM python:3.13-slim-bookworm
# What OpenCV needs even without a window, in the versions that have the latest fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 libxcb1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/emotion-cam /opt/emotion-cam
ENV PATH=/opt/emotion-cam/bin:$PATH \
    MPLCONFIGDIR=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Nobody in particular: no name, no home, no privileges.
USER 65532:65532
WORKDIR /tmp
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8765/healthz', timeout=4)"]
ENTRYPOINT ["emotion-cam"]
CMD ["serve", "--host", "0.0.0.0", "--host-name", "localhost", "--no-browser"]
