# The environment that a submission runs in: CUDA 13, Python 3.12, requirements.lock. The repository itself, weights
# and all, is mounted at run time, as the competition does it.
FROM nvidia/cuda:13.0.3-base-ubuntu24.04

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    VIRTUAL_ENV=/opt/venv \
    PATH=/opt/venv/bin:${PATH}

# Triton compiles its kernels with gcc and Python's headers when the engine starts; CUDA itself comes with the wheels.
COPY apt.txt /tmp/apt.txt
# The names are apt.txt's: Ubuntu 24.04 keeps no old versions to pin.
RUN apt-get update \
    && xargs --arg-file=/tmp/apt.txt apt-get install --yes --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /tmp/apt.txt

# Kept apart from everything that changes, so that this layer is built once.
COPY requirements.lock /tmp/requirements.lock
RUN python3.12 -m venv "$VIRTUAL_ENV" \
    && pip install --no-cache-dir --no-deps --requirement /tmp/requirements.lock \
    && rm /tmp/requirements.lock

# The competition runs images as user 1001; a number, so that the host need not know the name.
RUN groupadd --gid 1001 aicrowd \
    && useradd --create-home --shell /bin/bash --uid 1001 --gid 1001 aicrowd
USER 1001
WORKDIR /submission
CMD ["python", "local_evaluation.py", "--skip-missing-metrics"]
