"""What a user writes: steps, workflows, configs."""
