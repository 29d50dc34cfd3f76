"""Pages of results: one HTML file each, with plots."""
