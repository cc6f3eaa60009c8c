"""What a worker does: prepare, time steps, train. All but ``messages`` imports torch."""
