"""What the analysis learns from, and how: data with its sources, fitting, measuring."""
