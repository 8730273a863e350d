"""Where text comes from: the catalogue of sources, file formats, the hub, and data cards."""
