#!/usr/bin/env bash
# Build the image and run local_evaluation.py in it, on this machine's GPUs and without network, as the evaluator does.
# Arguments go to local_evaluation.py: ./docker_run.sh --questions data/development.json --report report.html
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v docker >/dev/null; then
    echo "docker is not installed; install Docker and the NVIDIA Container Toolkit" >&2
    exit 1
fi
image=shopbench-submission:$(sha256sum Dockerfile apt.txt requirements.lock | sha256sum | cut -c1-12)
docker build --tag "$image" .
# Results are written into the mounted repository, so by the user whose it is; the engine's workers share memory.
exec docker run --rm --gpus all --network none --ipc host --user "$(id -u):$(id -g)" --env HOME=/tmp \
    --env SHOPBENCH_WEIGHTS --volume "$PWD":/submission "$image" \
    python local_evaluation.py --skip-missing-metrics "$@"
