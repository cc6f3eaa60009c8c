"""The process that measures: reads what to measure, writes one line of JSON for each case."""

import json
import sys

from normzoo.bench.spec import BenchSpec


def main() -> None:
    """Read a ``BenchSpec`` from stdin; write what is known of the machine first, then the measurements."""
    spec = BenchSpec.model_validate_json(sys.stdin.read())
    import torch

    from normzoo.bench.measure import copy_bandwidth, measure
    from normzoo.experiment.config.environment import describe_environment

    if spec.threads:
        torch.set_num_threads(spec.threads)
    kind = spec.device if spec.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        _say({"error": "device: 'cuda' is not available here; use --device cpu"})
        return
    device = torch.device(kind)
    name = torch.cuda.get_device_name() if kind == "cuda" else "cpu"
    environment = {**describe_environment(), "device": name, "threads": torch.get_num_threads()}
    _say({"environment": environment, "copy_bytes_per_second": copy_bandwidth(device)})
    for case in spec.cases():
        _say({"measurement": measure(case, device, spec.seconds).model_dump(mode="json")})


def _say(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
