"""What is done to a model that exists: exchange its norms, freeze them, recalibrate them, fold them away."""

__all__: list[str] = []
